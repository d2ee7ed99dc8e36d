"""cascade: an ear, then a reader. The ear is a real tiny recogniser or one that knows what it should hear."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cpbench.conditions.prefix import Prefix
from cpbench.errors import UsageError
from cpbench.models import load_model
from cpbench.records import IN_WORDS, Sound, Turn

EAR = '''
from dataclasses import dataclass
import numpy as np
from cpbench.records import Annotation

@dataclass
class Ear:
    """Says the pitch, the length, and counts; speaks `ahead` sounds late and backwards; deaf above `most` Hz."""

    ahead: int = 1
    most: int = 2000
    name: str = "ear"
    heard: int = 0

    def annotate(self, sounds):
        batch = []
        for sound in sounds:
            self.heard += 1
            hertz = np.abs(np.fft.rfft(sound.wave)).argmax() / sound.seconds
            words = f"{hertz:.0f} Hz {sound.seconds:g} s" if hertz <= self.most else None
            batch.append(Annotation(sound.sound.clip.sha256, self.name, transcript=words))
            if len(batch) == self.ahead:
                yield from reversed(batch)
                batch = []
        yield from reversed(batch)
'''
WORDS = ["<unk>", "Transcript:", '"', "How", "does", "she", "feel?", "sad", "glad", *"abcdefgh"]


@pytest.fixture
def ear(tmp_path: Path) -> str:
    file = tmp_path / "ear.py"
    file.write_text(EAR)
    return f"{file}:Ear"


def cascade(endpoint: Any, ear: str, **options: str) -> Any:
    asked = {"asr": ear, "llm": "openai/served-model", "llm_options": f"base_url={endpoint.url}", **options}
    return load_model("cascade", asked)


def question(body: Any) -> str:
    return str(body["messages"][-1]["content"])


def test_the_words_stand_in_the_prompt_as_under_the_condition_transcript(endpoint: Any, ear: str, turn: Any) -> None:
    (said,) = cascade(endpoint, ear).answer([turn(hertz=440)])
    assert question(endpoint.bodies[0]) == IN_WORDS.format(transcript="440 Hz 1 s", text="How does she feel?")
    assert (said.item_id, said.answer, said.status) == ("a", "Sad.", "ok")
    assert (said.audio_seconds, said.audio_seconds_heard, said.output_tokens) == (1.0, 1.0, 3)


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_each_sound_is_recognised_once_and_every_request_gets_its_own_words(
    endpoint: Any, ear: str, turn: Any, ahead: int
) -> None:
    endpoint.default = lambda body: endpoint.completion(question(body))
    clips = [turn(hertz=hertz, seconds=0.5) for hertz in (200, 300, 400, 500)]
    turns = [
        dataclasses.replace(clip, request=dataclasses.replace(clip.request, item_id=f"{number}-{n}"))
        for number, clip in enumerate(clips)
        for n in range(3)
    ]
    model = cascade(endpoint, ear, asr_options=f"ahead={ahead}")
    said = {p.item_id: p.answer for p in model.answer(turns)}
    assert said == {
        f"{number}-{n}": f'Transcript: "{hertz} Hz 0.5 s"\nHow does she feel?'
        for number, hertz in enumerate((200, 300, 400, 500))
        for n in range(3)
    }
    assert model._ear.heard == 4


def test_a_changed_sound_of_the_same_clip_is_another_sound(endpoint: Any, ear: str, turn: Any) -> None:
    endpoint.default = lambda body: endpoint.completion(question(body))
    whole = turn("whole")
    (heard,) = whole.heard
    sound = Sound(heard.sound.clip, (Prefix(0.5),))
    request = dataclasses.replace(whole.request, item_id="half", condition="prefix:0.5", sounds=(sound,))
    half = Turn(request, (dataclasses.replace(heard, sound=sound, wave=heard.wave[:8000]),))
    said = {p.item_id: p for p in cascade(endpoint, ear, asr_options="ahead=2").answer([whole, half])}
    assert "440 Hz 1 s" in said["whole"].answer and "440 Hz 0.5 s" in said["half"].answer
    assert said["half"].audio_seconds_heard == 0.5


def test_two_clips_and_no_clip(endpoint: Any, ear: str, turn: Any) -> None:
    list(cascade(endpoint, ear).answer([turn("two", clips=2), turn("none", clips=0)]))
    asked = sorted(map(question, endpoint.bodies))
    assert asked == ["How does she feel?", 'Transcript: "440 Hz 1 s 540 Hz 1 s"\nHow does she feel?']


def test_what_is_not_recognised_is_an_error_and_the_rest_goes_on(endpoint: Any, ear: str, turn: Any) -> None:
    turns = [turn("high", hertz=3000), turn("low", hertz=300)]
    said = {p.item_id: p for p in cascade(endpoint, ear).answer(turns)}
    assert (said["high"].status, said["high"].error) == ("error", "ear gave no transcript")
    assert said["low"].status == "ok" and len(endpoint.bodies) == 1


def test_the_llm_s_endings_are_the_cascade_s(endpoint: Any, ear: str, turn: Any) -> None:
    endpoint.script = [endpoint.completion("", finish="content_filter"), endpoint.problem(400, "no")]
    said = [next(iter(cascade(endpoint, ear).answer([turn()]))) for _ in range(2)]
    assert [(p.status, p.error) for p in said] == [("refused", None), ("error", "HTTP 400: no")]


def test_options_reach_the_llm(endpoint: Any, ear: str, turn: Any) -> None:
    list(cascade(endpoint, ear, max_new_tokens="5", temperature="0.3", system="Be brief.").answer([turn()]))
    body = endpoint.bodies[0]
    assert (body["max_tokens"], body["temperature"]) == (5, 0.3)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_any_model_can_read(ear: str, turn: Any) -> None:
    model = load_model("cascade", {"asr": ear, "llm": "echo"})
    (said,) = model.answer([turn()])
    assert said.answer == 'Transcript: "440 Hz 1 s"\nHow does she feel?'
    assert (model.card.kind, model.card.family, model.card.third_party) == ("cascade", "null", False)


def test_the_card_knows_where_the_words_go(ear: str) -> None:
    card = load_model("cascade", {"asr": ear, "llm": "openai/gpt-4o"}).card
    assert (card.kind, card.family, card.third_party, card.name) == ("cascade", "gpt", True, f"{ear} + openai/gpt-4o")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"llm": "echo"}, "asr"),
        ({"asr": "x"}, "llm"),
        ({"asr": "EAR", "llm": "ecko"}, "unknown model 'ecko'"),
        ({"asr": "EAR", "llm": "echo", "system": "x"}, "a system prompt needs a text LLM"),
        ({"asr": "EAR", "llm": "echo", "asr_options": "most"}, "asr_options are KEY=VALUE,KEY=VALUE, not 'most'"),
        ({"asr": "EAR", "llm": "echo", "asr_options": "lost=1"}, "Ear has no option 'lost'"),
    ],
)
def test_what_is_missing_or_wrong_is_said_when_the_card_is_read(
    ear: str, options: dict[str, str], message: str
) -> None:
    given = {key: value.replace("EAR", ear) for key, value in options.items()}
    with pytest.raises(UsageError, match=message):
        load_model("cascade", given).card  # noqa: B018


def test_a_real_recogniser_and_a_real_text_llm(tmp_path: Path, turn: Any) -> None:
    ctc, llm = save_ctc(tmp_path / "ctc"), save_llm(tmp_path / "llm")
    options = {"asr": str(ctc), "llm": f"hf/{llm}", "asr_options": "device=cpu", "llm_options": "device=cpu"}
    (said,) = load_model("cascade", {**options, "max_new_tokens": "4"}).answer([turn()])
    assert said.status == "ok" and said.finish_reason in ("stop", "length")
    assert said.audio_seconds_heard == 1.0 and set(said.answer.split()) <= set(WORDS)
    assert said.input_tokens is not None and said.input_tokens >= 6


def save_ctc(folder: Path) -> Path:
    """A random wav2vec2 that says letters."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC
    from transformers import Wav2Vec2Processor as Processor

    folder.mkdir()
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]
    (folder / "vocab.json").write_text(json.dumps({letter: n for n, letter in enumerate(letters)}))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))).save_pretrained(folder)
    return folder


def save_llm(folder: Path) -> Path:
    """A random GPT-2 that says words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)
    torch.manual_seed(3)
    sizes = {"vocab_size": len(WORDS), "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 256}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=None, eos_token_id=None)).save_pretrained(folder)
    return folder
