"""What all conditions that change the waveform share: their arguments, their place, how they go together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cpbench import parts
from cpbench.audio import load
from cpbench.conditions import present
from cpbench.errors import UsageError
from cpbench.records import Setting, Tag

RATE = 16000
BAD = {
    "noise": ["", "loud", "10", "10db-pink", "white", "nandb", "100db"],
    "gain": ["", "12", "infdb", "-90db"],
    "speed": ["", "0", "fast", "2.5", "-1"],
    "codec": ["", "ogg", "opus", "opus5k", "mp3-33k", "mulaw8k"],
}


@pytest.mark.parametrize(("name", "argument"), [(name, one) for name, bad in BAD.items() for one in bad])
def test_a_bad_argument_shows_an_example(item, name, argument):
    with pytest.raises(UsageError) as refused:
        present([item], f"{name}:{argument}", Setting())
    assert f"--condition {name}:" in str(refused.value)
    assert repr(argument) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        ("flat", {"all": "flat"}),
        ("noise", {"perturbations": "noise:10db"}),
        ("gain", {"perturbations": "gain:-12db"}),
        ("speed", {"perturbations": "speed:1.1"}),
        ("codec", {"perturbations": "codec:opus8k"}),
    ],
)
def test_each_says_where_it_stands_and_what_a_difference_means(name, stands):
    module = parts.find("conditions", name)
    assert stands == module.IN
    assert module.MEANING.endswith(".")


@pytest.mark.parametrize("condition", ["noise:10db", "gain:-12db", "speed:1.1", "codec:opus8k"])
def test_the_string_of_its_group_can_be_done(item, condition):
    (request,) = present([item], condition, Setting())
    assert (request.condition, request.text) == (condition, item.question)
    heard = load(request.sounds[0], RATE)
    plain = load(dataclasses.replace(request.sounds[0], effects=()), RATE)
    assert heard.wave.dtype == np.float32
    assert heard.wave.shape != plain.wave.shape or not np.allclose(heard.wave, plain.wave, atol=1e-3)


def test_steps_are_done_from_left_to_right(item):
    (one,) = present([item], "speed:2+noise:10db", Setting())
    (other,) = present([item], "noise:10db+speed:2", Setting())
    assert [type(effect).__name__ for effect in one.sounds[0].effects] == ["Speed", "Noise"]
    assert [type(effect).__name__ for effect in other.sounds[0].effects] == ["Noise", "Speed"]
    assert len(load(one.sounds[0], RATE).wave) == len(load(other.sounds[0], RATE).wave)
    assert not np.allclose(load(one.sounds[0], RATE).wave, load(other.sounds[0], RATE).wave, atol=1e-3)


def test_noise_goes_together_with_wrong_tags(item):
    happy = dataclasses.replace(item.clips[0], tags=(Tag(0.0, 1.0, "gold", {"happy": 1.0}),))
    items = [item, dataclasses.replace(item, id="b", clips=(happy,))]
    first, second = present(items, "noise:10db+tags:wrong", Setting())
    assert ("happy" in first.text, "sad" in second.text) == (True, True)
    assert [type(effect).__name__ for effect in first.sounds[0].effects] == ["Noise"]


def test_the_repr_holds_every_parameter(item):
    """The engine orders and groups sounds by it: two settings may not look alike."""
    seen = {
        repr(present([item], condition, Setting(seed=seed))[0].sounds[0].effects)
        for condition in ("noise:10db", "noise:11db", "noise:10db-white")
        for seed in (0, 1)
    }
    seen |= {
        repr(present([item], condition, Setting())[0].sounds[0].effects)
        for condition in ("gain:-12db", "gain:-6db", "speed:1.1", "speed:.9", "codec:opus8k", "codec:opus16k")
    }
    assert len(seen) == 12


def test_the_packaged_clip_is_what_it_was(item):
    """A condition changes what is heard and never the file."""
    before = load(present([item], "audio", Setting())[0].sounds[0], RATE).wave
    for condition in ("noise:0db", "gain:-12db", "codec:opus8k"):
        load(present([item], condition, Setting())[0].sounds[0], RATE)
    assert np.array_equal(load(present([item], "audio", Setting())[0].sounds[0], RATE).wave, before)
