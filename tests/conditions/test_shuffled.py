"""Donors: another recording, near in length, the same whatever the order; and the label of what was played."""

import random
from dataclasses import replace

import pytest

from cpbench.conditions import present, presented
from cpbench.conditions.shuffled import Donors, donor_label, index
from cpbench.errors import UsageError, UserError
from cpbench.records import Clip, Item, Setting

ITEM = Item("i", "t", (), "How does she sound?", ("x",), type="DE", options=("sad", "glad"))


def clip(name, seconds, recording):
    return Clip(f"{name}.wav", f"sha-{name}", seconds, recording)


def item(name, *clips, task="t", **known):
    return replace(ITEM, id=name, task=task, clips=clips, **known)


def test_a_donor_is_of_another_recording_and_among_the_nearest_in_length():
    draw = random.Random(0)
    clips = [clip(n, round(draw.uniform(1, 9), 2), f"r{n % 6}") for n in range(80)]
    donors = Donors(clips, seed=3)
    for one in clips:
        gaps = sorted(abs(round(1000 * (o.seconds - one.seconds))) for o in clips if o.recording != one.recording)
        donor = donors.of(one)
        assert donor.recording != one.recording
        assert abs(round(1000 * (donor.seconds - one.seconds))) <= gaps[4]


def test_clips_of_equal_length_are_all_drawn_from():
    clips = [clip(n, 2.0, f"r{n % 40}") for n in range(400)]
    donors = Donors(clips, seed=0)
    drawn = [donors.of(one).sha256 for one in clips]
    assert len(set(drawn)) > 200  # 400 draws of 400 hit 1 - 1/e of them, 253


def test_the_order_of_the_items_does_not_matter_and_the_seed_does():
    items = [item(n, clip(n, 1 + n % 7 / 10, f"r{n % 5}")) for n in range(60)]
    mixed = random.Random(1).sample(items, len(items))

    def played(items, seed):
        return {request.item_id: request.played for request in present(items, "shuffled", Setting(seed))}

    assert played(items, 0) == played(mixed, 0)
    assert played(items, 0) != played(items, 1)


def test_all_questions_of_a_clip_hear_one_donor_with_the_effects_asked_for():
    items = [item(f"{n}-{q}", clip(n, 2.0, f"r{n}")) for n in range(6) for q in range(3)]
    requests = present(items, "silence+shuffled", Setting())
    by_clip = {}
    for request in requests:
        by_clip.setdefault(request.item_id.split("-")[0], set()).add(repr(request.sounds))
        (sound,) = request.sounds
        assert request.played == (sound.clip.sha256,) and "Silence" in repr(sound.effects)
        assert request.answered("x", heard=1.0).played == request.played == request.failed("y").played
    assert {len(heard) for heard in by_clip.values()} == {1}


def test_every_clip_of_an_item_gets_a_donor_of_the_same_task():
    pair = item("pair", clip(1, 1.0, "a"), clip(2, 1.0, "b"))
    other = item("other", clip(3, 1.0, "c"))
    far = item("far", clip(4, 1.0, "d"), task="elsewhere")
    requests = {request.item_id: request for request in present([pair, other], "shuffled", Setting())}
    assert len(requests["pair"].played) == 2
    assert {*requests["pair"].played, *requests["other"].played} <= {"sha-1", "sha-2", "sha-3"}
    found = presented([pair, other, far], "shuffled", Setting())
    assert found.left_out == {"no clip of another recording can be played in their clip's place": ("far",)}


def test_what_has_no_donor_is_left_out_and_one_recording_is_said():
    lost = item("lost", Clip("lost.wav", None, None, "x"))
    some = [item("a", clip(1, 1.0, "a")), item("b", clip(2, 1.0, "b"))]
    assert list(presented([*some, lost], "shuffled", Setting()).left_out.values()) == [("lost",)]
    with pytest.raises(UserError, match="of one recording"):
        present([item("a", clip(1, 1.0, "a")), item("b", clip(2, 2.0, "a"))], "shuffled", Setting())
    with pytest.raises(UserError, match="can be read"):
        present([lost], "shuffled", Setting())
    with pytest.raises(UsageError, match="nothing after"):
        present(some, "shuffled:2", Setting())


def test_the_label_of_what_was_played():
    a, b = clip(1, 1.0, "a"), clip(2, 1.0, "b")
    items = [
        item("a-DE", a, label="sad"),
        item("b-DE", b, label="glad", question="Which emotion is it?"),
        item("b-DG", b, label="male", type="DG", options=("male", "female")),
        item("b-CE", b, label="sad", type="CE", question="How does he talk about the lamp?"),
        item("b-C", b, label=None, type="C", question="Who?"),
    ]
    known, played = index(items), ("sha-2",)
    assert donor_label(items[0], played, known) == "glad"  # another wording of the same question
    here = item("a-CE", a, label="glad", type="CE", question="How does he talk about the lamp?")
    assert donor_label(here, played, known) == "sad"
    assert donor_label(replace(here, question="How does he talk about the sofa?"), played, known) is None
    assert donor_label(replace(items[0], options=("sad", "glad", "angry")), played, known) is None
    assert donor_label(replace(items[0], type=None), played, known) is None
    assert donor_label(items[0], ("sha-9",), known) is None
    assert donor_label(replace(items[0], task="u"), played, known) is None
    contradiction = index([*items, item("b-DE2", b, label="sad")])
    assert donor_label(items[0], played, contradiction) is None
