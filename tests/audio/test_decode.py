import io

import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal
import soundfile

from cpbench.audio import Excerpt, clip, clip_from_samples, load, wav_bytes, windows
from cpbench.errors import BadClip
from cpbench.records import Heard, Sound

OPUS_RATES = (8000, 16000, 48000)
RATES = (8000, 16000, 22050, 44100, 48000)
CASES = [
    (suffix, rate, channels)
    for suffix in ("wav", "flac", "ogg", "mp3", "opus")
    for rate in RATES
    for channels in (1, 2)
    if suffix != "opus" or rate in OPUS_RATES
]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "cache"))


def loudest(wave, rate):
    """The frequency of the highest peak, to 1 Hz."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), n=rate))
    return int(np.argmax(spectrum))


@pytest.mark.parametrize(("suffix", "rate", "channels"), CASES)
def test_every_format_rate_and_number_of_channels(sound_file, hear, suffix, rate, channels):
    heard = hear(sound_file(suffix, rate=rate, channels=channels, hertz=440))
    assert (heard.sampling_rate, heard.wave.dtype, heard.wave.ndim) == (16000, np.float32, 1)
    assert heard.seconds == pytest.approx(1.0, abs=0.001 if suffix in ("wav", "flac") else 0.08)
    assert loudest(heard.wave, 16000) == 440
    middle = heard.wave[4000:12000]
    level = 0.5 if channels == 1 else 0.25  # the other channel is silent
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(level, rel=0.03)


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16000), (44100, 16000), (48000, 24000), (22050, 48000)])
def test_resampling_follows_the_sine(sound_file, hear, rate, wanted):
    heard = hear(sound_file("wav", rate=rate, hertz=1000), wanted)
    time = np.arange(len(heard.wave)) / wanted
    inner = slice(wanted // 10, -wanted // 10)
    assert np.abs(heard.wave - 0.5 * np.sin(2 * np.pi * 1000 * time))[inner].max() < 2e-3
    assert len(heard.wave) == pytest.approx(wanted, abs=2)


def test_resampling_agrees_with_another_library():
    wave = np.random.default_rng(1).normal(0, 0.1, 48000)
    low = scipy.signal.sosfiltfilt(scipy.signal.butter(8, 3000, fs=48000, output="sos"), wave)
    heard = load(Sound(clip_from_samples(low, 48000)), 16000)
    other = scipy.signal.resample_poly(low, 1, 3)
    assert np.abs(heard.wave - other)[800:-800].max() < 2e-3


def test_what_lies_above_the_new_rate_does_not_fold_back(sound_file, hear):
    heard = hear(sound_file("wav", rate=48000, hertz=11000), 16000)
    assert np.abs(heard.wave[800:-800]).max() < 1e-3


def test_the_files_own_rate_keeps_every_sample(sound_file, hear):
    path = sound_file("wav", rate=16000)
    assert np.array_equal(hear(path).wave, soundfile.read(path, dtype="float32")[0])


def test_beyond_one_is_clipped():
    assert load(Sound(clip_from_samples(np.full(4000, 3.0), 16000)), 16000).wave.max() == 1.0
    square = np.sign(np.sin(np.arange(44100) * 0.05)) * 1.0
    assert np.abs(load(Sound(clip_from_samples(square, 44100)), 16000).wave).max() <= 1.0


def test_effects_are_applied_in_order_at_the_wanted_rate(sound_file):
    seen = []

    def halve(wave, rate):
        seen.append(("halve", rate, len(wave)))
        return wave * 0.5

    def cut(wave, rate):
        seen.append(("cut", rate, len(wave)))
        return wave[: rate // 2]

    heard = load(Sound(clip(sound_file("wav", rate=8000)), (cut, halve)), 16000)
    assert seen == [("cut", 16000, 16000), ("halve", 16000, 8000)]
    assert heard.seconds == 0.5


@pytest.mark.parametrize(
    ("effect", "reason"),
    [
        (lambda wave, rate: wave[:0], "holds no samples"),
        (lambda wave, rate: wave * np.nan, "not numbers"),
        (lambda wave, rate: wave[: rate // 20], "0.050 s is shorter than 0.1 s"),
    ],
)
def test_what_an_effect_spoils_is_refused(sound_file, effect, reason):
    with pytest.raises(BadClip, match=reason):
        load(Sound(clip(sound_file()), (effect,)), 16000)


def test_a_missing_file(tmp_path, hear):
    with pytest.raises(BadClip, match=r"none\.wav: no such file"):
        hear(tmp_path / "none.wav")


def test_a_folder(tmp_path, hear):
    with pytest.raises(BadClip, match="cannot be"):
        hear(tmp_path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_an_empty_file(tmp_path, hear, suffix):
    (tmp_path / f"a.{suffix}").touch()
    with pytest.raises(BadClip, match="the file is empty"):
        hear(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_bytes_that_are_no_sound(tmp_path, hear, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(b"<html>not found</html>" * 90)
    with pytest.raises(BadClip, match="cannot be decoded"):
        hear(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_truncated_file(tmp_path, sound_file, hear, suffix, share):
    data = sound_file(suffix, seconds=4).read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadClip, match=r"cut short|cannot be decoded"):
        hear(tmp_path / f"cut.{suffix}")


def test_damage_in_the_middle_of_a_flac(sound_file, hear):
    path = sound_file("flac", seconds=4)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    with pytest.raises(BadClip, match=r"cannot be decoded|cut short"):
        hear(path)


def test_a_streamed_wav_without_a_size_is_whole(sound_file, hear):
    path = sound_file("wav")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert hear(path).seconds == pytest.approx(1.0)


def test_a_wav_with_other_chunks_before_its_data(tmp_path, hear):
    wave = (np.sin(np.arange(16000) * 0.1) * 0.3).astype(np.float32)
    buffer = io.BytesIO()
    scipy.io.wavfile.write(buffer, 16000, wave)
    plain = buffer.getvalue()
    at = plain.index(b"data")
    extra = b"LIST" + (5).to_bytes(4, "little") + b"odd!!\0"
    data = bytearray(plain[:at] + extra + plain[at:])
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(data)
    assert np.array_equal(hear(tmp_path / "a.wav").wave, wave)
    (tmp_path / "b.wav").write_bytes(data[:-30000])
    with pytest.raises(BadClip, match="30000 of 64000 bytes are missing"):
        hear(tmp_path / "b.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(tmp_path, hear, bad):
    wave = np.zeros(16000, dtype=np.float32)
    wave[100:103] = bad
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    with pytest.raises(BadClip, match="3 of 16000 samples are not numbers"):
        hear(tmp_path / "a.wav")


def test_a_clip_of_a_twentieth_of_a_second(sound_file, hear):
    with pytest.raises(BadClip, match=r"0\.050 s is shorter than 0\.1 s"):
        hear(sound_file(seconds=0.05))
    assert hear(sound_file(seconds=0.1)).seconds == pytest.approx(0.1)


def test_a_file_without_samples(tmp_path, hear):
    soundfile.write(tmp_path / "a.wav", np.zeros(0, dtype=np.float32), 16000)
    with pytest.raises(BadClip, match="holds no samples"):
        hear(tmp_path / "a.wav")


def heard_of(samples, rate=1000):
    wave = np.arange(samples, dtype=np.float32) / samples
    return Heard(Sound(clip_from_samples(wave, rate)), wave, rate)


@pytest.mark.parametrize("samples", [1000, 1001, 1099, 1100, 1999, 2000, 2050, 3999, 5001])
def test_windows_lose_no_sample_and_none_is_too_long_or_too_short(samples):
    heard = heard_of(samples)
    pieces = windows(heard, 1.0)
    assert np.array_equal(np.concatenate([piece.wave for piece in pieces]), heard.wave)
    assert all(100 <= len(piece.wave) <= 1000 for piece in pieces)
    assert len(pieces) == -(-samples // 1000)


def test_a_clip_within_the_window_stays_as_it_is():
    heard = heard_of(1000)
    assert windows(heard, 1.0)[0] is heard


def test_a_piece_is_a_sound_of_its_own_that_can_be_loaded_again():
    heard = load(heard_of(2345).sound, 1000)
    pieces = windows(heard, 0.7)
    assert len({repr(piece.sound) for piece in pieces}) == len(pieces) == 4
    for piece in pieces:
        assert np.array_equal(load(piece.sound, 1000).wave, piece.wave)
    assert pieces[1].sound.effects == (Excerpt(0.7, 1.4),)


def test_a_window_below_a_fifth_of_a_second_is_refused():
    with pytest.raises(ValueError, match="window"):
        windows(heard_of(1000), 0.1)


def test_wav_bytes_are_a_file_of_the_same_sound(sound_file, hear):
    heard = hear(sound_file("wav", rate=8000))
    data = wav_bytes(heard)
    rate, samples = scipy.io.wavfile.read(io.BytesIO(data))
    assert (rate, samples.dtype) == (16000, np.int16)
    assert np.abs(samples / 32768 - heard.wave).max() <= 0.5 / 32768 + 1e-9
    assert data == wav_bytes(heard)


def test_wav_bytes_of_16_bit_samples_are_exact_and_full_scale_does_not_wrap():
    samples = np.array([-32768, -1, 0, 1, 32767], dtype=np.int16).repeat(1000)
    heard = load(Sound(clip_from_samples(samples, 16000)), 16000)
    assert np.array_equal(scipy.io.wavfile.read(io.BytesIO(wav_bytes(heard)))[1], samples)
    loud = load(Sound(clip_from_samples(np.ones(4000), 16000)), 16000)
    assert scipy.io.wavfile.read(io.BytesIO(wav_bytes(loud)))[1].max() == 32767
