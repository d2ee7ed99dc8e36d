"""What the tests of comparisons use: run folders whose answers are right as often as is asked, and their judgements."""

import dataclasses

import numpy as np
import pytest

from cpbench.fingerprint import dataset_fingerprint, judgement_key
from cpbench.records import Clip, Item, Judgement, ModelCard, Request, Rights, RunConfig, Task
from cpbench.runfolder import case_of, open_run

MOODS = ("angry", "happy", "sad")
OWN = Rights("own", text_in_report=True)


def items_of(recordings=20, task="set", **known):
    """Six items a recording: three emotions to name, three open questions."""
    found = []
    for at in range(6 * recordings):
        clip = Clip(f"{at}.wav", f"{at:064d}", 2.0, f"speaker {at // 6}")
        item = Item(str(at), task, (clip,), "How does she sound?", (MOODS[at % 3],), type="DE", label=MOODS[at % 3])
        item = dataclasses.replace(item, options=MOODS)
        if at % 2:
            item = dataclasses.replace(
                item,
                question=f"What lies on the desk, {at}?",
                references=(f"a lamp{at}",),
                type="C",
                label=None,
                options=(),
            )
        found.append(dataclasses.replace(item, **known))
    return found


@pytest.fixture
def run(tmp_path):
    """A function: a run's folder with the share `right` of its answers right, drawn by `seed`."""

    def make(
        name,
        right,
        *,
        items=None,
        seed=0,
        condition="audio",
        rights=OWN,
        status=None,
        flags=(),
        limit=None,
        metrics=None,
        wrong="nothing [of] that kind",
    ):
        items = items_of() if items is None else items
        metrics = metrics or ("accuracy", "macro_f1", "overlap_score")
        parts = {task: [one for one in items if one.task == task] for task in dict.fromkeys(one.task for one in items)}
        tasks = [
            (Task(task, "1", "Somebody", metrics, rights, fingerprint=dataset_fingerprint(part)), part)
            for task, part in parts.items()
        ]
        out = str(tmp_path / name)
        made = open_run(RunConfig(f"model {name}", tuple(parts), conditions=(condition,), out=out, limit=limit), tasks)
        made.note(model=dataclasses.asdict(ModelCard(name, "test")) | {"trained_on": []}, asked_in_all=len(items))
        draws = np.random.default_rng(seed).random(len(items))
        with made.predictions:
            for at, (item, draw_) in enumerate(zip(items, draws, strict=True)):
                request = Request(item.id, item.task, condition, item.question, (), flags=flags)
                answer = item.references[0] if draw_ < right else wrong
                failed = status is not None and status(at)
                made.predictions.append(request.failed("broken") if failed else request.answered(answer, heard=2.0))
        return made

    return make


def judge(made, judge_id, scores, *, name="openai/judge", missing=()):
    made.note(
        judges={**made.manifest.get("judges", {}), judge_id: {"name": name, "correct_score": 60.0, "repeats": None}}
    )
    items = {item.id: item for item in made.items}
    with made.judgements:
        for prediction, score in zip(list(made.predictions), scores, strict=True):
            if prediction.item_id in missing:
                continue
            key = judgement_key(judge_id, case_of(items[prediction.item_id], prediction))
            made.judgements.append(
                Judgement(key, prediction.item_id, prediction.task, "audio", "0" * 64, judge_id, "ok", score)
            )
