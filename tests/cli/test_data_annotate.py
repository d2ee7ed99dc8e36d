"""cpbench data annotate and condense, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "tasks" / "demo"


def test_items_are_annotated_and_condensed(cpbench, tmp_path):
    lines = [json.loads(line) for line in (DEMO / "emotion.jsonl").read_text(encoding="utf-8").splitlines()[:14]]
    for line in lines:
        line["audio"] = str(DEMO / line["audio"])
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = ("data", "annotate", "items.jsonl", "--annotator", "gold", "--annotator", "acoustic", "-A", "window=2")
    done = cpbench(*asked, "--out", "clips.jsonl")
    assert done.returncode == 0, done.stderr
    assert "clips.jsonl: 14 clips" in done.stdout and "acoustic@1" in done.stdout
    again = json.loads(cpbench(*asked, "--out", "clips.jsonl", "--json").stdout)
    counts = [(one["name"], one["new"], one["clips"]) for one in again["annotators"]]
    assert counts == [("gold", 0, 14), ("acoustic@1", 0, 14)]
    kept = cpbench("data", "condense", "clips.jsonl", "--out", "out.jsonl")
    assert kept.returncode == 0, kept.stderr
    table = json.loads((tmp_path / "out.condense.json").read_text())
    assert len(set(table["clips"].values())) == 1 and "neutral" not in table["clips"]
    assert f"out.jsonl: {sum(table['clips'].values())} clips (" in kept.stdout
    assert "valence: not applied: no annotator gives valence" in kept.stdout


def test_what_is_typed_wrong_is_mended(cpbench, tmp_path):
    for words, code, message in (
        (("annotate", "nowhere.jsonl", "--annotator", "acustic", "--out", "c.jsonl"), 2, "did you mean 'acoustic'"),
        (("annotate", "nowhere.jsonl", "--annotator", "gold", "--out", "c.jsonl"), 2, "no such file 'nowhere.jsonl'"),
        (("condense", "nowhere.jsonl", "--out", "c.jsonl"), 1, "cpbench data annotate"),
        (("condense", "c.jsonl", "--out", "d.jsonl", "--balance", "some"), 2, "--balance takes a number or none"),
    ):
        done = cpbench("data", *words)
        assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
    assert not (tmp_path / "c.jsonl").exists()
