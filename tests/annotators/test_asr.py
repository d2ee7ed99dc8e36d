"""Speech recognition by tiny checkpoints of the real classes, held against decoding by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpbench.annotators import load_annotator, load_recogniser
from cpbench.errors import UsageError, UserError

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


def transcripts(path: Path, *sounds: Any, **options: str) -> list[str | None]:
    return [said.transcript for said in load_recogniser(str(path), {"device": "cpu", **options}).annotate(sounds)]


def collapsed(path: Path, wave: np.ndarray) -> str:
    """CTC by hand: the best letter of each frame, repeats merged, blanks taken out."""
    import json

    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    inputs = Wav2Vec2FeatureExtractor.from_pretrained(path)(wave, sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        best = Wav2Vec2ForCTC.from_pretrained(path)(**inputs).logits[0].argmax(-1).tolist()
    letters = {n: letter for letter, n in json.loads((path / "vocab.json").read_text()).items()}
    merged = [n for n, before in zip(best, [None, *best], strict=False) if n != before]
    said = "".join(" " if letters[n] == "|" else letters[n] for n in merged if letters[n] not in SPECIAL)
    return " ".join(said.split())


def test_ctc_agrees_with_decoding_by_hand(ctc: Path, heard: Any) -> None:
    sounds = [heard("a", 1.0, 200), heard("b", 0.5, 900)]
    got = transcripts(ctc, *sounds)
    assert got == [collapsed(ctc, sound.wave) for sound in sounds]
    assert got[0]


def test_whisper_agrees_with_its_own_generate(whisper: Path, heard: Any) -> None:
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    sound = heard("a", 2.0)
    processor, model = (
        WhisperProcessor.from_pretrained(whisper),
        WhisperForConditionalGeneration.from_pretrained(whisper),
    )
    features = processor(sound.wave, sampling_rate=16000, return_tensors="pt").input_features
    with torch.inference_mode():
        ids = model.generate(features, max_new_tokens=16, do_sample=False)
    expected = processor.batch_decode(ids, skip_special_tokens=True)[0].strip()
    assert transcripts(whisper, sound) == [expected] and expected


def test_a_long_clip_is_heard_to_its_end(ctc: Path, heard: Any) -> None:
    sound = heard("a", 2.5)
    pieces = [sound.wave[start : start + 16000] for start in (0, 16000, 32000)]
    expected = " ".join(word for word in (collapsed(ctc, piece) for piece in pieces) if word)
    assert transcripts(ctc, sound, window="1.0") == [expected]


def test_whisper_is_never_given_more_than_its_window(
    whisper: Path, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser: Any = load_recogniser(str(whisper), {"device": "cpu", "window": "600"})
    seen: list[float] = []
    monkeypatch.setattr(recogniser, "_said", lambda piece, start: seen.append(piece.seconds) or ("x", ()))
    assert [said.transcript for said in recogniser.annotate([heard("a", 65.0)])] == ["x x x"]
    assert seen == [30.0, 30.0, 5.0]


def test_annotations_name_the_clip_and_the_annotator_and_are_lazy(ctc: Path, heard: Any) -> None:
    pulled = []

    def sounds() -> Any:
        for name in ("one", "two"):
            pulled.append(name)
            yield heard(name, 0.3)

    said = load_recogniser(str(ctc), {"device": "cpu"}).annotate(sounds())
    first = next(said)
    assert (first.key, first.annotator, pulled) == ("one", str(ctc), ["one"])


def test_sounds_at_another_rate_are_refused(ctc: Path, heard: Any) -> None:
    with pytest.raises(UserError, match="takes sounds at 16000 Hz, not 8000"):
        transcripts(ctc, heard(rate=8000))


def test_a_language_that_cannot_be_told_is_refused(whisper: Path, heard: Any) -> None:
    with pytest.raises(UserError, match="cannot be told its language 'de'"):
        transcripts(whisper, heard(), language="de")


def test_a_checkpoint_without_its_head_is_refused(ctc: Path, tmp_path: Path, heard: Any) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(ctc, tmp_path / "headless")
    weights = {name: value for name, value in load_file(folder / "model.safetensors").items() if "lm_head" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks weights of a Wav2Vec2ForCTC, lm_head.bias first"):
        transcripts(folder, heard())


def test_what_is_no_recogniser_is_refused(tmp_path: Path, heard: Any) -> None:
    from transformers import GPT2Config

    GPT2Config(architectures=["GPT2LMHeadModel"]).save_pretrained(tmp_path / "gpt")
    with pytest.raises(UserError, match=r"gpt cannot be opened: |no processor of sounds"):
        transcripts(tmp_path / "gpt", heard())
    with pytest.raises(UserError, match=r"nowhere cannot be opened: there is no such folder"):
        transcripts(tmp_path / "nowhere", heard())


def test_the_doors_tell_annotators_from_checkpoints() -> None:
    assert load_recogniser("openai/whisper-tiny").name == "openai/whisper-tiny"
    assert load_recogniser("asr/openai/whisper-tiny", {"revision": "abc"}).name == "openai/whisper-tiny@abc"
    with pytest.raises(UsageError, match=r"unknown annotator 'asrr' .did you mean 'asr'"):
        load_annotator("asrr/x")
    with pytest.raises(UsageError, match="Asr has no option 'langage'"):
        load_recogniser("x", {"langage": "de"})


def test_a_ctc_checkpoint_gives_the_times_of_its_words(ctc: Path, heard: Any) -> None:
    """By hand: a word stands from the first frame of its first letter to the last frame of its last, 20 ms each."""
    import json

    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    sound = heard("a", 1.6, 450)
    letters = {n: letter for letter, n in json.loads((ctc / "vocab.json").read_text()).items()}
    expected = []
    for start in (0, 0.8):
        piece = sound.wave[round(start * 16000) : round((start + 0.8) * 16000)]
        inputs = Wav2Vec2FeatureExtractor.from_pretrained(ctc)(piece, sampling_rate=16000, return_tensors="pt")
        with torch.inference_mode():
            best = Wav2Vec2ForCTC.from_pretrained(ctc)(**inputs).logits[0].argmax(-1).tolist()
        spans: list[list[float]] = []
        inside = False
        for frame, n in enumerate(best):
            if letters[n] == "|":
                inside = False
            elif letters[n] not in SPECIAL:
                spans = spans if inside else [*spans, [frame, frame]]
                spans[-1][1], inside = frame + 1, True
        expected += [(start + 0.02 * first, start + 0.02 * last) for first, last in spans]
    (said,) = load_recogniser(str(ctc), {"device": "cpu", "window": "0.8"}).annotate([sound])
    assert [(word.start, word.end) for word in said.words] == [pytest.approx(span, abs=1e-3) for span in expected]
    assert " ".join(word.text for word in said.words) == said.transcript and len(said.words) > 1
