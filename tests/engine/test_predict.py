"""The engine: every request is answered once, in an order of its own, and nothing that fails is a score."""

import gc
import weakref
from dataclasses import dataclass, replace

import numpy as np
import pytest

from cpbench.conditions import present
from cpbench.engine import check_hearing, hearing_turns, in_order, part_of, predict
from cpbench.errors import UserError
from cpbench.flow.ledger import Ledger
from cpbench.records import Clip, ModelCard, Prediction, Setting

DECODED = []


@dataclass(frozen=True)
class Count:
    """An effect that leaves the wave as it is and says that it was decoded."""

    def __call__(self, wave, sampling_rate):
        DECODED.append(len(wave))
        return wave


@pytest.fixture(autouse=True)
def _searched_quickly():
    """What other tests loaded is not searched for garbage at every turn."""
    gc.freeze()
    yield
    gc.unfreeze()


class Hertz:
    """Answers with the frequency that it hears."""

    card = ModelCard("hertz", "test")

    def __init__(self):
        self.order, self.alive, self.most = [], weakref.WeakSet(), 0

    def answer(self, turns):
        for turn in turns:
            self.order.append(turn.request.item_id)
            self.alive.update([_Held(turn.heard)] if not turn.heard else [turn.heard[0]])
            gc.collect()
            self.most = max(self.most, len(self.alive))
            wave = turn.heard[0].wave
            hertz = np.argmax(np.abs(np.fft.rfft(wave))) * 16000 / len(wave)
            yield turn.request.answered(f"{hertz:.0f}", heard=len(wave) / 16000)


class _Held:
    def __init__(self, value):
        self.value = value


def asked(items, condition="audio"):
    return present(items, condition, Setting())


def test_every_request_is_answered_from_its_own_clip(items):
    answers = {p.item_id: p.answer for p in predict(asked(items), Hertz())}
    heard = {"short": "300", "long": "500", "middle": "400"}
    assert answers == {item.id: heard[item.recording] for item in items}


def test_the_longest_come_first_and_questions_of_a_clip_stand_together(items):
    model = Hertz()
    list(predict(asked(items), model))
    assert [name.split("-")[0] for name in model.order] == ["long", "long", "middle", "middle", "short", "short"]
    assert in_order(asked(items)) == in_order(asked(items)[::-1])


def test_a_clip_is_decoded_once_for_all_its_questions(items):
    requests = [replace(r, sounds=tuple(replace(s, effects=(Count(),)) for s in r.sounds)) for r in asked(items)]
    DECODED.clear()
    list(predict(requests, Hertz()))
    assert len(DECODED) == 3


def test_samples_live_no_longer_than_their_turn(tone):
    from cpbench.records import Item

    many = [Item(str(n), "t", (tone(f"c{n}", 200 + n, 0.2),), "?", ("x",)) for n in range(40)]
    model = Hertz()
    assert len(list(predict(asked(many), model))) == 40
    assert model.most <= 2


def test_a_bad_clip_is_an_error_and_the_run_goes_on(items, tmp_path):
    (tmp_path / "torn.wav").write_bytes(b"RIFF....")
    bad = replace(items[0], id="bad", clips=(Clip(str(tmp_path / "torn.wav"), "ff", None, "r"),))
    gone = replace(items[0], id="gone", clips=(Clip(str(tmp_path / "gone.wav"), None, None, "r"),))
    found = {p.item_id: p for p in predict(asked([*items, bad, gone]), Hertz())}
    assert len(found) == 8 and {key for key, p in found.items() if p.status == "error"} == {"bad", "gone"}
    assert "gone.wav" in found["gone"].error and found["gone"].answer == ""


def test_strict_stops_at_the_first_failure_once_it_is_written(items, tmp_path):
    gone = replace(items[0], id="gone", clips=(Clip(str(tmp_path / "gone.wav"), None, None, "r"),))
    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger, pytest.raises(UserError, match="t/gone/audio"):
        list(predict(asked([*items, gone]), Hertz(), ledger, strict=True))
    assert "t/gone/audio" in Ledger(tmp_path / "p.jsonl", Prediction)


def test_what_the_ledger_holds_is_not_asked_again(items, tmp_path):
    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger:
        stream = predict(asked(items), Hertz(), ledger)
        first = [next(stream).item_id for _ in range(4)]
        stream.close()
    with Ledger(tmp_path / "p.jsonl", Prediction) as ledger:
        rest = [p.item_id for p in predict(asked(items), Hertz(), ledger)]
        assert not set(first) & set(rest) and len(ledger) == 6


def test_a_turn_without_an_answer_and_an_answer_without_a_turn_are_seen(items):
    class Drops(Hertz):
        def answer(self, turns):
            for prediction in super().answer(turns):
                if not prediction.item_id.startswith("middle"):
                    yield prediction

    found = {p.item_id: p for p in predict(asked(items), Drops())}
    assert found["middle-0"].status == "error" and "no answer" in found["middle-0"].error

    class Doubles(Hertz):
        def answer(self, turns):
            for prediction in super().answer(turns):
                yield prediction
                yield prediction

    with pytest.raises(UserError, match="not asked, or twice"):
        list(predict(asked(items), Doubles()))


@pytest.mark.parametrize(
    ("answer", "said"), [(lambda turns: ["sad"], "something else than predictions: 'sad'"), (len, "no answers, but")]
)
def test_what_is_no_prediction_is_said_with_what_is_one(items, answer, said):
    class Words:
        card = ModelCard("words", "test")

        def answer(self, turns):
            return answer(list(turns))

    with pytest.raises(UserError, match=rf"answer\(\) of words gives {said}(?s:.*)turn.request.answered\(text"):
        list(predict(present(items, "audio", Setting()), Words()))
    with pytest.raises(UserError, match=rf"answer\(\) of words gives {said}"):
        check_hearing(Words(), hearing_turns(present(items, "audio", Setting()), Words()))


def test_stop_finishes_what_the_model_holds(items):
    seen = []
    for prediction in predict(asked(items), Hertz(), stop=lambda: len(seen) >= 2):
        seen.append(prediction.item_id)
    assert len(seen) == 2


def test_a_model_that_takes_one_clip_is_not_given_two(items):
    two = replace(items[0], id="two", clips=(items[0].clips[0], items[2].clips[0]))
    found = {p.item_id: p for p in predict(asked([two]), Hertz())}
    assert found["two"].status == "error" and "1 clip" in found["two"].error


def test_a_model_without_ears_costs_no_decoding(items):
    class Deaf(Hertz):
        card = ModelCard("deaf", "test", sampling_rate=None)

        def answer(self, turns):
            return (turn.request.answered("x" if not turn.heard else "heard", heard=0.0) for turn in turns)

    assert {p.answer for p in predict(asked(items), Deaf())} == {"x"}


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_shards_take_whole_clips(items, parts):
    shares = [part_of(asked(items), (n, parts)) for n in range(parts)]
    assert sorted(r.key for share in shares for r in share) == sorted(r.key for r in asked(items))
    clips = [{r.sounds for r in share} for share in shares]
    assert sum(map(len, clips)) == 3


def test_the_hearing_check_plays_two_clips_and_asks_one_question(items):
    turns = hearing_turns(asked(items), Hertz())
    assert len(turns) == 2 and turns[0].request.text == turns[1].request.text
    assert turns[0].heard[0].sound.clip.recording != turns[1].heard[0].sound.clip.recording
    assert turns[0].request.key != turns[1].request.key
