"""Judging beside generating: a run with a judge takes as long as the longer of the two, and hardly more.

The judge is a real local HTTP server that takes 200 ms for each call; 16 calls are in flight. The model is the 15
M-parameter Qwen2Audio shape on EmoDB's clips, loaded before; the number of questions is such that generating them and
judging them take about as long, which is the hardest case. All three are whole: from the items to results.json.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from beside import module_at

from cpbench.evaluate import evaluate, judge_saved
from cpbench.evaluate.judging import Judging
from cpbench.flow.device import use_all_cores
from cpbench.flow.watch import Watching
from cpbench.models.local import LocalModel
from cpbench.records import RunConfig
from cpbench.runfolder import Run, load_run

SMALL, RUNS = (module_at(Path(__file__).with_name(name)) for name in ("small.py", "runs.py"))
CLIPS, AT_ONCE = SMALL.FEW or 240, 16
pytestmark = [
    pytest.mark.performance,
    pytest.mark.skipif(not SMALL.EMODB.is_dir(), reason="EmoDB's clips are not beside this checkout"),
]


@pytest.fixture(scope="module")
def judge() -> Iterator[dict[str, str]]:
    """The options of a judge that takes 200 ms."""
    program = Path(__file__).with_name("slow_endpoint.py")
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        yield {"base_url": url, "concurrency": str(AT_ONCE)}
        server.terminate()


def test_judging_costs_no_time_of_its_own(judge: dict[str, str], tmp_path: Path, figure: Callable[..., None]) -> None:
    use_all_cores()
    checkpoint = SMALL.qwen2_audio(tmp_path / "qwen2_audio")
    model = RUNS.handed(LocalModel(str(checkpoint), device="cpu", max_new_tokens=SMALL.NEW_TOKENS), tmp_path)
    items = RUNS.asked_of(sorted(SMALL.EMODB.iterdir())[:CLIPS], tmp_path / "items.jsonl")
    spec = "openai/served-model"

    def run(name: str, *judges: str) -> Run:
        options = judge if judges else {}
        return evaluate(
            RunConfig(
                model,
                (str(items),),
                judges,
                judge_options=options,
                out=str(tmp_path / name),
                hearing_check=False,
            )
        )

    run("first", spec)  # imports, connections, and the model tries its ways
    generating = min(RUNS.seconds(lambda: run("alone")), RUNS.seconds(lambda: run("again")))
    saved = load_run(tmp_path / "alone")
    judging = RUNS.seconds(lambda: judge_saved(saved, Judging(spec, options=judge), Watching()))
    calls = len(load_run(tmp_path / "alone").judgements)
    together = min(RUNS.seconds(lambda: run("both", spec)), RUNS.seconds(lambda: run("both again", spec)))
    assert len(load_run(tmp_path / "both").judgements) == calls > CLIPS
    ratio = together / max(generating, judging)
    on = f"generating {generating:.1f} s, judging {judging:.1f} s ({calls:,} calls of 200 ms, {AT_ONCE} in flight), "
    figure(
        "5. run with a judge over the longer of the two", ratio, bound=1.1, unit="x", on=f"{on}both {together:.1f} s"
    )
    assert SMALL.FEW or ratio <= 1.1
