"""What answers follow: rates and chance against sums made here, oracles of the clip and of the tags, and guessing."""

import random
from dataclasses import replace

import numpy as np
import pytest

from cpbench.comparison import listening
from cpbench.comparison.follow import Followed
from cpbench.conditions import present
from cpbench.records import Clip, Item, Outcome, Setting, Tag, Task

EMOTIONS = ("anger", "happiness", "sadness")
TASK = Task("set", "1", "", ("accuracy", "balanced_accuracy"))


def items(recordings=12, each=4, seed=0):
    """One clip an item, of so many recordings, tagged as labelled."""
    draw, made = random.Random(seed), []
    for r in range(recordings):
        for n in range(each):
            key, label = f"{r}-{n}", draw.choice(EMOTIONS)
            tags = (Tag(0.0, 2.0, "gold", {label: 1.0}),)
            clip = Clip(f"{key}.wav", f"{key:0>64}", 2.0 + draw.random(), f"r{r}", tags=tags)
            known = {"type": "DE", "label": label, "options": EMOTIONS}
            made.append(Item(key, "set", (clip,), "How?", (label,), **known))
    return made


def asked(wanted, condition, answer):
    """The answers to what the condition really asks: `answer` is a function of item and request."""
    by_id = {item.id: item for item in wanted}
    requests = present(wanted, condition, Setting(seed=1))
    return [
        Outcome(by_id[each.item_id], each.answered(answer(by_id[each.item_id], each), heard=2.0)) for each in requests
    ]


def report(wanted, answers, task=TASK):
    outcomes = [one for condition, answer in answers.items() for one in asked(wanted, condition, answer)]
    return listening(outcomes, [task], wanted, main="audio")


def hears(wanted):
    """A model that knows the emotion of every clip, by its bytes."""
    labels = {item.clips[0].sha256: item.label for item in wanted}
    return lambda item, request: labels[request.sounds[0].clip.sha256]


def reads(item, request):
    """A model that gives the emotion that the tags name, and else its habit."""
    return request.told[0] if request.told else "sadness"


def guesses(seed):
    draw = random.Random(seed)
    return lambda item, request: draw.choice(EMOTIONS)


def test_a_perfect_ear_follows_every_clip_that_is_played():
    wanted = items()
    (one,) = report(wanted, {"audio": hears(wanted), "shuffled": hears(wanted)}).followed
    assert (one.follow, one.own, one.neither, one.shown, one.by) == (1.0, 0.0, 0.0, "above", "clip")
    assert one.n == len(wanted) - one.left_out["same_label"] and one.one_in == pytest.approx(1 / 3)
    donors = [each.prediction.played[0] for each in asked(wanted, "shuffled", guesses(0))]
    labels = {item.clips[0].sha256: item.label for item in wanted}
    pairs = [(item.label, labels[sha]) for item, sha in zip(wanted, donors, strict=True) if item.label != labels[sha]]
    share = np.array([np.mean([donor == label for _, donor in pairs]) for label in EMOTIONS])
    assert one.n == len(pairs) and one.expected == pytest.approx((share**2).sum())  # answers are the donors' labels
    assert one.excess == pytest.approx(1 - one.expected)


def test_a_habit_follows_nothing_and_its_share_is_what_chance_gives():
    wanted = items()
    found = report(wanted, {"audio": lambda *_: "sadness", "shuffled": lambda *_: "sadness"})
    (one,) = found.followed
    assert one.follow == pytest.approx(one.expected) and one.shown == "not_shown" and one.excess == pytest.approx(0)
    assert "Nothing shows that they follow what is played" in found.plain()["followed"][0]["sentence"]


def test_the_rate_and_its_chance_are_those_of_the_items_with_another_label():
    """Over the items whose donor has another label, from the requests and answers themselves."""
    wanted = items(40, 1)
    answers = {item.id: random.Random(item.id).choice(EMOTIONS) for item in wanted}
    found = report(wanted, {"audio": hears(wanted), "shuffled": lambda item, request: answers[item.id]})
    (one,) = found.followed
    labels = {item.clips[0].sha256: item.label for item in wanted}
    kept = [
        (each.prediction.answer, labels[each.prediction.played[0]])
        for each in asked(wanted, "shuffled", lambda item, request: answers[item.id])
        if labels[each.prediction.played[0]] != each.item.label
    ]
    said, donor = (np.array(column) for column in zip(*kept, strict=True))
    by_chance = sum((said == label).mean() * (donor == label).mean() for label in EMOTIONS)
    assert one.follow == pytest.approx((said == donor).mean()) and one.expected == pytest.approx(by_chance)
    assert one.own == pytest.approx(
        np.mean([answers[i.id] == i.label for i in wanted if i.id in _kept(wanted, labels)])
    )


def _kept(wanted, labels):
    return {
        each.item.id
        for each in asked(wanted, "shuffled", guesses(0))
        if labels[each.prediction.played[0]] != each.item.label
    }


def test_guessing_is_not_called_following():
    wanted = items(16, 3)
    inside = 0
    for n in range(60):
        (one,) = report(wanted, {"audio": guesses(n), "shuffled": guesses(1000 + n)}).followed
        inside += one.excess_low <= 0 <= one.excess_high
    assert inside >= 51  # of 60 at 95 %: fewer have a chance of .001


def test_what_cannot_be_counted_is_left_out_and_said():
    wanted = items(6, 4)
    deaf = replace(wanted[0], clips=(replace(wanted[0].clips[0], sha256=None, seconds=None),))
    free = [replace(item, label=None, options=(), type="C") for item in items(3, 1, seed=5)]
    free = [replace(item, id=f"c{item.id}", clips=wanted[n].clips) for n, item in enumerate(free)]
    (one,) = report([deaf, *wanted[1:], *free], {"audio": guesses(1), "shuffled": guesses(2)}).followed
    assert one.type == "DE" and one.left_out["no_donor"] == 1
    assert one.n + sum(one.left_out.values()) == len(wanted)
    broken = asked(wanted, "shuffled", guesses(2))
    broken = [replace(broken[0], prediction=replace(broken[0].prediction, status="error", answer="")), *broken[1:]]
    (one,) = listening([*asked(wanted, "audio", guesses(1)), *broken], [TASK], wanted, main="audio").followed
    assert one.left_out["failed"] == 1


def by_condition(found) -> dict[str, Followed]:
    return {one.condition: one for one in found.followed}


def test_a_model_that_reads_the_tags_follows_wrong_ones():
    wanted = items()
    found = report(wanted, {"audio": reads, "tags:gold": reads, "tags:wrong": reads, "tags:none": reads})
    one = by_condition(found)["tags:wrong"]
    assert (one.follow, one.own, one.by, one.leaked, one.n) == (1.0, 0.0, "tags", True, len(wanted))
    assert one.untold.condition == "audio" and one.shown == "above"
    habit = np.mean([each.prediction.told == ("sadness",) for each in asked(wanted, "tags:wrong", reads)])
    assert one.untold.follow == pytest.approx(habit) and one.untold.lift.value == pytest.approx(1 - habit)
    assert "tags:gold" not in by_condition(found)  # gold tags suggest no other label than the item's own
    assert {(gap.a, gap.b, gap.shown) for gap in found.told} == {
        ("tags:gold", "audio", "above"),
        ("tags:wrong", "audio", "below"),
    }
    assert found.gaps == () and [(one.a, one.b, one.equal) for one in found.changed] == [
        ("tags:gold", "tags:wrong", 0.0)
    ]


def test_a_model_that_goes_by_the_voice_is_not_moved_by_wrong_tags():
    wanted = items()
    found = report(wanted, {"audio": hears(wanted), "tags:wrong": hears(wanted)})
    one = by_condition(found)["tags:wrong"]
    assert (one.follow, one.own, one.untold.lift.value, one.shown) == (0.0, 1.0, 0.0, "not_shown")
    assert "Nothing shows that they follow the tags" in found.plain()["followed"][0]["sentence"]


def test_the_labels_told_are_those_that_the_prompt_shows():
    wanted = items()
    for each in present(wanted, "tags:wrong", Setting(seed=3)):
        assert f"s: {each.told[0]}]" in each.text and each.answered("x", heard=1.0).told == each.told


def test_tags_that_name_several_emotions_do_not_count_nor_do_questions_of_something_else():
    one, *rest = items(8, 3)
    two = (Tag(0.0, 1.0, "gold", {"anger": 1.0}), Tag(1.0, 2.0, "gold", {"happiness": 1.0}))
    wanted = [replace(one, type="CE", clips=(replace(one.clips[0], tags=two),))]
    wanted += [replace(item, type="CE") for item in rest]
    wanted += [
        replace(item, id=f"g{item.id}", type="DG", label="male", options=("male", "female")) for item in items(8, 1)
    ]
    draw = random.Random(7)

    def answer(item, request):
        return draw.choice(item.options)

    found = report(wanted, {"audio": answer, "tags:wrong": answer})
    (counted,) = [each for each in found.followed if each.by == "tags"]
    told = {each.item_id: each.told for each in present(wanted, "tags:wrong", Setting(seed=1))}
    assert counted.type == "CE" and len(told[one.id]) == 2
    several = len(set(told[one.id])) > 1
    assert counted.left_out.get("several_tags", 0) == several and counted.n + several == 24


def test_lures_are_counted_under_every_condition_against_one_in_so_many():
    wanted = []
    for n in range(24):
        options = tuple(f"{word} {n}" for word in ("red", "blue", "green", "white"))
        clip = Clip(f"{n}.wav", f"{n:064d}", 2.0, f"r{n}", transcript="words")
        known = {"label": options[0], "options": options, "lure": options[1]}
        wanted.append(Item(f"{n}", "set", (clip,), "Which?", options[:1], **known))
    found = report(
        wanted,
        {"audio": lambda item, request: item.label, "transcript": lambda item, request: item.lure},
        Task("set", "1", "", ("accuracy", "lure_rate")),
    )
    voice, words = by_condition(found)["audio"], by_condition(found)["transcript"]
    assert (voice.by, voice.type, voice.follow, voice.own) == ("words", "all", 0.0, 1.0)
    assert (words.follow, words.own, words.expected, words.shown) == (1.0, 0.0, 0.25, "above")
    assert found.gaps[0].metric == "accuracy"
