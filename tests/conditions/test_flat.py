"""`flat`: length, words and voice stay, and the melody goes; judged by measures that know nothing of WORLD."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from cpbench.audio import clip, load
from cpbench.conditions import flat, present
from cpbench.engine import turns
from cpbench.errors import BadClip, UsageError, UserError
from cpbench.records import Item, ModelCard, Setting, Sound

from .conftest import RATE, cepstra, fundamental, levels, variation

world = pytest.mark.skipif(
    importlib.util.find_spec("pyworld") is None, reason="pyworld is not installed (it needs a C++ compiler)"
)
EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb/clips"
REAL = ("03a01Fa", "08a07La", "09a05Lc", "10a04Wa", "11b02Ab", "16b01Tb")  # six of eight speakers, lively and still


@pytest.fixture(scope="module")
def flattened(speech):
    return [flat.EFFECTS[""](wave, RATE) for wave in speech]


def variations(before, after):
    """Robust F0 variation before and after, over frames voiced in both and within 25 dB of the peak."""
    a, b, level = fundamental(before), fundamental(after), levels(before)
    frames = min(len(a), len(b), len(level))
    a, b, level = a[:frames], b[:frames], level[3 : frames + 3]  # 40 ms and 25 ms windows with one centre
    frames = len(level)
    kept = (a[:frames] > 0) & (b[:frames] > 0) & (level > level.max() - 25)
    assert kept.sum() > 40  # 0.2 s: else nothing was measured
    return variation(a[:frames][kept]), variation(b[:frames][kept])


def unlike(a, b):
    """The mean distance of two waves' cepstra over the louder 60 % of a's frames."""
    first, second = cepstra(a), cepstra(b)
    frames = min(len(first), len(second))
    level = levels(a)[:frames]
    distance = np.sqrt(((first[: len(level)] - second[: len(level)]) ** 2).sum(axis=1))
    return float(distance[level > np.quantile(level, 0.4)].mean())


@world
def test_length_type_and_range_stay(speech, flattened):
    for before, after in zip(speech, flattened, strict=True):
        assert after.shape == before.shape
        assert after.dtype == np.float32
        assert np.abs(after).max() <= 1


@world
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_every_length_stays_at_every_rate(rate):
    time = np.arange(rate // 2) / rate
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 12)).astype(np.float32) / 6
    for samples in (rate // 2, rate // 2 - 1, rate // 4 + 17):
        assert len(flat.EFFECTS[""](voice[:samples], rate)) == samples


@world
def test_the_pitch_no_longer_moves(speech, flattened):
    for before, after in zip(speech, flattened, strict=True):
        lively, still = variations(before, after)
        assert still < 0.01
        assert still < lively / 3


@world
def test_the_mean_pitch_stays(speech, flattened):
    for before, after in zip(speech, flattened, strict=True):
        a, b = fundamental(before), fundamental(after)
        assert np.median(b[b > 0]) == pytest.approx(np.median(a[a > 0]), rel=0.08)


@world
def test_the_words_stay(speech, flattened):
    """Each sentence is much nearer to itself flattened than any other sentence is."""
    for n, before in enumerate(speech):
        own = unlike(before, flattened[n])
        others = [unlike(before, other) for m, other in enumerate(speech) if m != n]
        assert own < 0.4 * min(others)


@world
def test_phones_keep_their_place(speech, flattened):
    """Vowels stay vowels and closures closures: the level goes up and down at the same times."""
    for before, after in zip(speech, flattened, strict=True):
        assert np.corrcoef(levels(before), levels(after))[0, 1] > 0.85


@world
def test_the_level_is_even_and_pauses_are_not_raised(speech, flattened):
    smooth = np.hanning(40) / np.hanning(40).sum()  # 0.2 s: a syllable
    for before, after in zip(speech, flattened, strict=True):
        a, b = levels(before), levels(after)
        loud = a > a.max() - 25
        weight = np.convolve(loud, smooth, "same")[loud]
        spread = [float((np.convolve(np.where(loud, x, 0), smooth, "same")[loud] / weight).std()) for x in (a, b)]
        assert spread[1] < 0.7 * spread[0]
        quiet = a < a.max() - 45
        if quiet.sum() > 20:
            assert np.median(b[quiet] - a[quiet]) < 6


@world
def test_the_mean_level_stays(speech, flattened):
    for before, after in zip(speech, flattened, strict=True):
        assert np.sqrt(np.mean(after**2)) == pytest.approx(np.sqrt(np.mean(before**2)), rel=0.01)


@world
def test_a_clip_at_full_scale_is_turned_down_and_not_clipped(speech):
    loud = speech[0] / np.abs(speech[0]).max()
    after = flat.EFFECTS[""](loud, RATE)
    assert np.abs(after).max() <= 1
    assert np.count_nonzero(np.abs(after) > 0.999) <= 2


@world
def test_the_controls_remove_one_or_neither(speech):
    wave = speech[0]
    before = fundamental(wave)
    for kind in ("vocoder", "level"):
        after = fundamental(flat.EFFECTS[kind](wave, RATE))
        both = (before > 0) & (after > 0)
        assert np.median(np.abs(after[both] / before[both] - 1)) < 0.01  # the same melody
    assert variations(wave, flat.EFFECTS["pitch"](wave, RATE))[1] < 0.01
    slow = np.hanning(40) / np.hanning(40).sum()
    moves = {kind: np.convolve(levels(flat.EFFECTS[kind](wave, RATE)), slow, "valid") for kind in ("vocoder", "pitch")}
    for after in moves.values():
        assert np.corrcoef(after, np.convolve(levels(wave), slow, "valid"))[0, 1] > 0.95  # the same rise and fall


@world
def test_the_same_samples_each_time(speech, flattened):
    assert np.array_equal(flat.EFFECTS[""](speech[0], RATE), flattened[0])


@world
@pytest.mark.skipif(not EMODB.is_dir(), reason="EmoDB is not beside the checkout")
@pytest.mark.parametrize("name", REAL)
def test_real_speech(name):
    wave = load(Sound(clip(EMODB / f"{name}.flac")), RATE).wave
    after = flat.EFFECTS[""](wave, RATE)
    lively, still = variations(wave, after)
    assert len(after) == len(wave)
    assert still < 0.02 < lively
    other = load(Sound(clip(EMODB / "03b01Fa.flac")), RATE).wave
    assert unlike(wave, after) < 0.5 * unlike(wave, other)


@world
@pytest.mark.parametrize(
    ("wave", "says"),
    [
        (np.zeros(RATE, np.float32), "0.00 s of voiced speech in a clip of 1.00 s"),
        (np.full(1, 0.1, np.float32), "too short for WORLD"),
        ((0.1 * np.random.default_rng(0).standard_normal(RATE // 5)).astype(np.float32), "too short for WORLD"),
    ],
    ids=["silence", "one sample", "noise"],
)
def test_without_a_voice_it_cannot_be_done(wave, says):
    with pytest.raises(BadClip, match=says):
        flat.EFFECTS[""](wave, RATE)


@world
def test_what_is_too_short_becomes_an_error_that_names_the_clip(item):
    failed = []
    requests = present([item], "prefix:0.1+flat", Setting())
    assert list(turns([tuple(requests)], ModelCard("m", "test"), failed.append, lambda: False)) == []
    (prediction,) = failed
    assert prediction.status == "error"
    assert prediction.error.startswith(f"{item.clips[0].path}: flat: ")
    assert "too short for WORLD" in prediction.error


def test_without_pyworld_the_run_says_how_to_get_it(item, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)
    flat.vocoder.cache_clear()
    with pytest.raises(UserError, match="pip install pyworld"):
        present([item], "flat", Setting())


@world
def test_it_does_not_need_pkg_resources(monkeypatch):
    """setuptools has none from 82 on; pyworld 0.3.5 asks for it in its __init__."""
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    flat.vocoder.cache_clear()
    assert callable(flat.vocoder().synthesize)


def test_unknown_kinds_are_refused(item):
    with pytest.raises(UsageError, match="pitch, level, vocoder"):
        present([item], "flat:loud", Setting())


@world
def test_several_clips_are_each_flattened(item, demo_clips):
    two = Item("b", "t", demo_clips[:2], "Who is louder?", ("the first",))
    (request,) = present([two], "flat", Setting())
    assert [sound.effects for sound in request.sounds] == [(flat.EFFECTS[""],)] * 2
