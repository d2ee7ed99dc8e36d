"""Codecs: what is kept, what is left out, at which bit rate, and always the same."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from cpbench.audio import KILOBITS, opus_bytes, transcoded, without_serial


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Four seconds of white noise at 16 kHz: every band has something to lose."""
    return (0.1 * np.random.default_rng(0).standard_normal(64000)).astype(np.float32)


@pytest.fixture(scope="module")
def sweep() -> np.ndarray:
    """Four seconds at 16 kHz from 100 to 3,000 Hz: a shift by one sample shows."""
    time = np.arange(64000) / 16000
    return (0.5 * np.sin(2 * np.pi * (100 * time + (2900 / 8) * time**2))).astype(np.float32)


def share_above(wave, rate, hertz):
    power = np.abs(np.fft.rfft(wave)) ** 2
    return power[np.fft.rfftfreq(len(wave), 1 / rate) > hertz].sum() / power.sum()


def lag(a, b):
    """By how many samples b is late, from the peak of their correlation."""
    correlation = np.fft.irfft(np.fft.rfft(b, 2 * len(a)) * np.conj(np.fft.rfft(a, 2 * len(a))))
    at = int(np.argmax(correlation))
    return at if at < len(a) else at - 2 * len(a)


def payload(data):
    """Bytes in the packets of an Ogg file, without its page headers (RFC 3533)."""
    at = total = 0
    while at < len(data):
        segments = data[at + 26]
        body = sum(data[at + 27 : at + 27 + segments])
        total += body
        at += 27 + segments + body
    return total


@pytest.mark.parametrize("kilobits", [6, 8, 12, 16, 24, 32])
def test_opus_spends_about_the_bit_rate_asked_for(sweep, noise, kilobits):
    """Steady noise cannot be spared, so the encoder's mean rate is what it was set to."""
    spent = payload(opus_bytes(noise, 16000, kilobits=kilobits)) * 8 / 4 / 1000
    assert spent == pytest.approx(kilobits, rel=0.15)


def test_opus_at_8_kilobits_ends_at_4_khz_and_at_16_it_does_not(noise):
    assert share_above(noise, 16000, 4500) == pytest.approx(3500 / 8000, abs=0.02)
    assert share_above(transcoded(noise, 16000, "opus", 8), 16000, 4500) < 0.001
    assert share_above(transcoded(noise, 16000, "opus", 16), 16000, 4500) > 0.2


def test_a_telephone_ends_at_4_khz(noise):
    assert share_above(transcoded(noise, 16000, "mulaw", 64), 16000, 4200) < 0.001


def test_mulaw_is_g711():
    """ITU-T G.711 by its formula: sign, companded magnitude, 8 bits; within half a step of the decoder's value."""
    wave = (0.3 * np.random.default_rng(1).standard_normal(8000)).clip(-0.9, 0.9).astype(np.float32)
    heard = transcoded(wave, 8000, "mulaw", 64)
    companded = np.log1p(255 * np.abs(wave)) / np.log(256)
    step = 256 ** (companded + 1 / 128) / 255 - 256**companded / 255  # the width of the value's cell
    assert np.all(np.abs(heard - wave) <= 1.1 * step)
    assert len(np.unique(heard)) <= 256


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize(("codec", "kilobits"), [("opus", 24), ("mp3", 32), ("mp3", 64), ("mulaw", 64)])
def test_length_and_time_are_kept_at_every_rate(codec, kilobits, rate):
    time = np.arange(round(1.01 * rate)) / rate
    wave = (0.5 * np.sin(2 * np.pi * (100 * time + 1000 * time**2))).astype(np.float32)
    heard = transcoded(wave, rate, codec, kilobits)
    assert heard.shape == wave.shape
    assert heard.dtype == np.float32
    assert abs(lag(wave, heard)) <= rate / 8000  # an eighth of a millisecond
    assert np.corrcoef(wave, heard)[0, 1] > 0.9


@pytest.mark.parametrize(("codec", "kilobits"), [("opus", 8), ("mp3", 32), ("mulaw", 64)])
def test_the_samples_are_the_same_each_time(noise, codec, kilobits):
    assert np.array_equal(transcoded(noise, 16000, codec, kilobits), transcoded(noise, 16000, codec, kilobits))


@pytest.mark.parametrize("kilobits", KILOBITS["mp3"])
def test_every_mp3_rate_stays_in_time(sweep, kilobits):
    """Below 40 kbit/s no tag states the encoder's delay; the samples are in time all the same."""
    assert abs(lag(sweep, transcoded(sweep, 16000, "mp3", kilobits))) <= 1


def test_fewer_bits_lose_more(sweep, noise):
    mixed = sweep + noise
    lost = [np.mean((transcoded(mixed, 16000, "opus", k) - mixed) ** 2) for k in (8, 24, 128)]
    assert lost == sorted(lost, reverse=True)


def test_ogg_bytes_depend_on_the_samples_alone(tmp_path: Path):
    wave = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    data = opus_bytes(wave, 16000)
    assert data == opus_bytes(wave, 16000)
    assert without_serial(data) == data
    (tmp_path / "a.ogg").write_bytes(data)
    heard, rate = soundfile.read(tmp_path / "a.ogg")  # libsndfile checks every page's checksum
    assert (len(heard), rate) == (16000, 16000)


def test_a_wrong_checksum_would_not_be_read(tmp_path: Path):
    """The control of the test above: a page with another checksum is dropped."""
    data = bytearray(opus_bytes(np.zeros(16000, np.float32), 16000))
    data[22] ^= 0xFF
    (tmp_path / "a.ogg").write_bytes(data)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(tmp_path / "a.ogg")
