"""`cpbench miniature`, very small: interrupted, it goes on, and does nothing twice."""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import cpbench.evaluate
import cpbench.miniature
from cpbench.cli import main
from cpbench.miniature import plan
from cpbench.miniature.corpus import Scale

LITTLE = plan.Plan(
    Scale(single=4, double=4, feelings=3, asked_single=2, asked_double=2, conflicts=3),
    1,
    base_epochs=0.02,
    epochs=0.05,
    limit=7,
    tuned=("adapter",),
)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_interrupted_it_goes_on_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two systems, in threads of this process: to start another one and import torch takes longer than all the rest."""
    monkeypatch.setattr(cpbench.miniature, "QUICK", LITTLE)
    monkeypatch.setattr(
        cpbench.miniature, "ProcessPoolExecutor", lambda workers, **processes: ThreadPoolExecutor(workers)
    )
    monkeypatch.setattr(plan, "SYSTEMS", plan.SYSTEMS[:2])
    evaluate, asked = cpbench.evaluate.evaluate, []

    def ended(config: Any, *rest: Any, **options: Any) -> Any:
        asked.append(Path(config.out).name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return evaluate(config, *rest, **options)

    monkeypatch.setattr(cpbench.evaluate, "evaluate", ended)
    assert typed(tmp_path) == 130
    base, first = tmp_path / "base" / "checkpoint.json", tmp_path / "runs" / "S10-adapter-0" / "predictions.jsonl"
    before = [path.stat().st_mtime_ns for path in (base, first)]
    assert not (tmp_path / "index.html").exists()
    assert typed(tmp_path) == 0
    assert asked == ["S10-adapter-0", "S20-adapter-0", "S20-adapter-0"]
    assert [path.stat().st_mtime_ns for path in (base, first)] == before
    out, err = capfd.readouterr()
    assert out.strip() == str(tmp_path / "index.html")
    assert "shards" not in err
    found = json.loads((tmp_path / "miniature.json").read_text())
    assert [row["system"]["name"] for row in found["tables"]["adapter"]] == ["S10", "S20"]
    assert found["plan"]["scale"] == dataclasses.asdict(LITTLE.scale)
    assert typed(tmp_path) == 0
    assert len(asked) == 3


def typed(out: Path) -> int:
    try:
        main(["miniature", "--quick", "--out", str(out), "--workers", "1"])
    except SystemExit as left:
        return int(left.code or 0)
    return 0
