"""Outcomes made as a run makes them: an item, its request, the answer to it."""

import pytest

from cpbench.records import Clip, Item, Judgement, Outcome, Request, Sound

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")


@pytest.fixture
def outcome():
    """A function: (answer, label, and what else the item or the prediction has) -> Outcome."""
    made = iter(range(10**6))

    def make(answer, label=None, *, options=EMOTIONS, references=(), status="ok", score=None, **known):
        clip = Clip("clip.wav", "0" * 64, 2.0, known.pop("recording", "speaker 1"))
        item = Item(
            str(next(made)),
            "task",
            (clip,),
            "What?",
            references,
            label=label,
            options=options if label else (),
            **known,
        )
        request = Request(item.id, item.task, "audio", item.question, (Sound(clip),))
        prediction = (
            request.failed("broken") if status == "error" else request.answered(answer, heard=2.0, status=status)
        )
        scored = () if score is None else (judged(item.id, score),)
        return Outcome(item, prediction, scored)

    return make


def judged(item_id, score):
    status = "parse_error" if score == "unread" else "ok"
    return Judgement("key", item_id, "task", "audio", "0" * 64, "judge", status, None if score == "unread" else score)
