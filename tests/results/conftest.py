"""Outcomes of small runs, made as a run makes them: an item, its request, the answer to it."""

import dataclasses

import pytest

from cpbench.records import Clip, Item, Judgement, Outcome, Request, Sound, Task

EMOTIONS = ("anger", "happiness", "sadness")


@pytest.fixture
def task():
    return Task("task", "1.0", "Somebody (2020)", ("accuracy", "macro_f1", "overlap_score"))


@pytest.fixture
def outcome():
    """A function: (answer, label, and what else the item or the prediction has) -> Outcome."""
    made = iter(range(10**6))

    def make(
        answer, label=None, *, task="task", condition="audio", status="ok", heard=2.0, flags=(), score=None, **known
    ):
        recording, at = known.pop("recording", "speaker 1"), next(made)
        clip = Clip(f"{at}.wav", known.pop("sha256", f"{at:064d}"), 2.0, recording)
        item = Item(
            str(at), task, (clip,), "What?", known.pop("references", ()), label=label, options=EMOTIONS * bool(label)
        )
        item = dataclasses.replace(item, **known)
        request = Request(item.id, task, condition, item.question, (Sound(clip),), flags=flags)
        prediction = (
            request.failed("broken") if status == "error" else request.answered(answer, heard=heard, status=status)
        )
        scored = (
            () if score is None else (Judgement("key", item.id, task, condition, "0" * 64, "judge-1", "ok", score),)
        )
        return Outcome(item, prediction, scored)

    return make
