"""Ranks and shards answer in whatever order: the results are the same to the last bit."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from cpbench.evaluate import scored
from cpbench.flow.ledger import adapter
from cpbench.records import Clip, Item, ModelCard, Request, Rights, RunConfig, Sound, Task
from cpbench.runfolder import open_run

ITEMS, CONDITIONS = 60, ("audio", "silence")
WORDS = ("calm", "glad", "sad", "loud", "soft", "slow", "fast")
TASK = Task("t", "1", "", ("overlap_score",), Rights("CC0"))


def items() -> list[Item]:
    draw = random.Random(0)
    return [
        Item(
            f"i{at}",
            "t",
            (Clip(f"{at}.wav", f"{at:064x}", 1.0, f"r{at % 7}"),),
            "?",
            (" ".join(_some(draw)),),
            type="C",
        )
        for at in range(ITEMS)
    ]


def _some(draw: random.Random) -> Sequence[str]:
    return draw.sample(WORDS, 3)


def results(folder: Path, order: random.Random) -> str:
    """results.json of a run whose answers came in that order."""
    asked, draw = items(), random.Random(1)
    run = open_run(RunConfig("answers:x", ("t",), conditions=CONDITIONS, out=str(folder)), [(TASK, asked)])
    run.note(model=adapter(ModelCard).dump_python(ModelCard("m", "test"), mode="json"))
    said = [
        Request(item.id, "t", condition, "?", (Sound(item.clips[0]),)).answered(" ".join(_some(draw)), heard=1.0)
        for condition in CONDITIONS
        for item in asked
    ]
    with run.predictions:
        for prediction in order.sample(said, len(said)):
            run.predictions.append(prediction)
    found = {key: value for key, value in scored(run)[1].items() if key not in ("run", "config")}
    return json.dumps(found)


def test_the_order_of_the_answers_changes_no_bit_of_the_results(tmp_path: Path) -> None:
    made = [results(tmp_path / str(seed), random.Random(seed)) for seed in range(4)]
    assert made == made[:1] * 4
    scores = json.loads(made[0])
    assert scores["results"]["t"]["overlap_score,none"] % 0.5  # thirds, of which sums in another order differ
    assert scores["condition"] == "audio" and list(scores["conditions"]) == ["silence"]
