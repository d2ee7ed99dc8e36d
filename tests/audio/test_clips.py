import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cpbench.audio import cache_folder, clip, clip_from_bytes, clip_from_samples, load
from cpbench.errors import BadClip, UserError
from cpbench.records import Sound, Tag


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "cache"))


def test_a_clip_is_known_by_the_bytes_of_its_file(sound_file):
    path = sound_file("flac", rate=22050, seconds=1.5)
    found = clip(path, recording="r", speaker="s", gender="female", transcript="words")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.seconds == pytest.approx(1.5, abs=1e-6)
    assert (found.recording, found.speaker, found.gender, found.transcript) == ("r", "s", "female", "words")
    assert found.path == str(path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_the_header_gives_the_length(sound_file, suffix):
    assert clip(sound_file(suffix, seconds=0.7)).seconds == pytest.approx(0.7, abs=0.05)


def test_without_a_recording_each_clip_is_its_own(sound_file, tmp_path):
    found = clip(sound_file())
    assert found.recording == found.sha256
    assert clip(tmp_path / "none.wav").recording == str(tmp_path / "none.wav")


def test_bad_files_are_clips_too(tmp_path):
    missing = clip(tmp_path / "none.wav", recording="r")
    assert (missing.sha256, missing.seconds) == (None, None)
    for name, data in (("empty.mp3", b""), ("text.wav", b"hello" * 50), ("cut.flac", b"fLaC\0\0\0")):
        (tmp_path / name).write_bytes(data)
        found = clip(tmp_path / name, recording="r")
        assert (found.sha256, found.seconds) == (hashlib.sha256(data).hexdigest(), None)


def test_a_folder_is_a_bad_file(tmp_path):
    assert clip(tmp_path, recording="r").sha256 is None


def test_one_file_has_one_path(sound_file, tmp_path, monkeypatch):
    path = sound_file()
    monkeypatch.chdir(tmp_path)
    assert clip(f"./x/../{path.name}") == clip(path)


def test_bytes_are_kept_once_under_their_hash(sound_file):
    data = sound_file("flac").read_bytes()
    first = clip_from_bytes(data, name="a.flac", recording="r")
    before = Path(first.path).stat().st_mtime_ns
    assert clip_from_bytes(data, name="other/b.flac", recording="q") == first
    assert Path(first.path).stat().st_mtime_ns == before
    assert [path.name for path in (cache_folder() / "clips").iterdir()] == [f"{first.sha256}.flac"]
    assert first.seconds == pytest.approx(1.0)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_bytes_without_a_name_can_be_heard(sound_file, suffix):
    kept = clip_from_bytes(sound_file(suffix).read_bytes())
    assert load(Sound(kept), 16000).seconds == pytest.approx(1.0, abs=0.1)


def test_a_torn_file_in_the_cache_is_written_again(sound_file):
    data = sound_file("flac").read_bytes()
    kept = clip_from_bytes(data)
    with Path(kept.path).open("r+b") as file:
        file.truncate(100)
    assert clip_from_bytes(data) == kept
    assert hashlib.sha256(Path(kept.path).read_bytes()).hexdigest() == kept.sha256


def test_junk_bytes_are_kept_and_refused_when_heard():
    kept = clip_from_bytes(b"no sound" * 40, name="a.wav")
    assert kept.seconds is None
    with pytest.raises(BadClip, match="cannot be decoded"):
        load(Sound(kept), 16000)


def test_a_cache_that_cannot_be_written_is_one_message(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="CPBENCH_CACHE=FOLDER"):
        clip_from_bytes(b"abc")


def test_samples_come_back_unchanged():
    wave = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    heard = load(Sound(clip_from_samples(wave, 8000, speaker="s")), 8000)
    assert np.array_equal(heard.wave, wave)
    assert heard.sound.clip.speaker == "s"


def test_samples_give_the_same_bytes_everywhere():
    wave = np.linspace(-1, 1, 1000, dtype=np.float32)
    code = (
        "import numpy, time; from cpbench.audio import clip_from_samples; time.sleep(1.1);"
        "print(clip_from_samples(numpy.linspace(-1, 1, 1000, dtype=numpy.float32), 16000).sha256)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert other.stdout.strip() == clip_from_samples(wave, 16000).sha256


def test_samples_are_a_file_that_others_read():
    kept = clip_from_samples(np.full(1600, 0.25), 16000)
    wave, rate = soundfile.read(kept.path, dtype="float32")
    assert (len(wave), rate, wave[0]) == (1600, 16000, 0.25)
    data = Path(kept.path).read_bytes()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def test_channels_are_averaged_whichever_axis_they_are():
    both = np.stack([np.full(4000, 0.5), np.full(4000, -0.1)])
    assert clip_from_samples(both, 16000) == clip_from_samples(both.T, 16000)
    assert load(Sound(clip_from_samples(both, 16000)), 16000).wave == pytest.approx(np.full(4000, 0.2), abs=1e-6)


def test_integers_are_scaled_by_their_range():
    assert load(Sound(clip_from_samples(np.full(4000, -16384, dtype=np.int16), 16000)), 16000).wave[0] == -0.5


def test_samples_that_are_not_numbers_are_refused_by_clip_when_heard():
    wave = np.zeros(4000, dtype=np.float32)
    wave[7] = np.nan
    with pytest.raises(BadClip, match="1 of 4000 samples are not numbers"):
        load(Sound(clip_from_samples(wave, 16000)), 16000)


@pytest.mark.parametrize("wrong", [np.zeros((2, 3, 4)), np.array(["a"]), np.float32(1)])
def test_what_is_no_wave_is_refused(wrong):
    with pytest.raises(ValueError, match="shape"):
        clip_from_samples(wrong, 16000)


def test_tags_do_not_tell_clips_apart(sound_file):
    path = sound_file()
    tagged = clip(path, tags=(Tag(0, 1, "gold", {"joy": 1.0}),))
    assert tagged == clip(path)
    assert json.dumps(dict(tagged.tags[0].emotion)) == '{"joy": 1.0}'
