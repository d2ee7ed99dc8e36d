"""One run in a process of its own; prints its memory as JSON. A program: CHECKPOINT ITEMS OUT.

Memory is counted above the loaded model: from the moment when its weights are there, to the peak of the whole run, with
its scores, its null baselines and all that they import.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from beside import module_at

from cpbench.evaluate import evaluate
from cpbench.models.local import LocalModel
from cpbench.records import RunConfig

RUNS = module_at(Path(__file__).with_name("runs.py"))


def main(checkpoint: str, items: str, out: str) -> None:
    model = LocalModel(checkpoint, device="cpu", max_new_tokens=4)
    model.load()
    spec = RUNS.handed(model, Path(items).parent)
    RUNS.forget_peak()
    loaded, start = RUNS.resident(), time.perf_counter()
    run = evaluate(RunConfig(spec, (items,), out=out, hearing_check=False))
    wall = time.perf_counter() - start
    peak, now = RUNS.resident("VmHWM"), RUNS.resident()
    print(json.dumps({"loaded": loaded, "peak": peak, "now": now, "wall": wall, "answers": len(run.predictions)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
