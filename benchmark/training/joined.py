"""A `speechlm` from a pretrained speech encoder and a pretrained causal language model, with a new adapter between."""

from __future__ import annotations

from typing import Any

from cpbench.errors import UserError
from cpbench.flow.refusals import refusal
from cpbench.training.config import TrainConfig
from cpbench.training.rows import end_of_turn

FLATTENED = (
    "{% set flat = namespace(messages=[]) %}{% for message in messages %}{% set turn = namespace(text='') %}"
    "{% if message['content'] is string %}{% set turn.text = message['content'] %}"
    "{% else %}{% for part in message['content'] %}"
    "{% set turn.text = turn.text + ('AUDIO' if part['type'] == 'audio' else part['text']) %}"
    "{% endfor %}{% endif %}"
    "{% set flat.messages = flat.messages + [{'role': message['role'], 'content': turn.text}] %}"
    "{% endfor %}{% set messages = flat.messages %}"
)
"""Put before a language model's own chat template, which knows texts only: the audio token stands in the text."""
BARE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ message['content'] + 'END' }}"
    "{% else %}{{ message['content'] + '\n' }}{% endif %}{% endfor %}"
)
"""For a language model without a chat template: the question, a line break, the answer, the end."""


def speechlm(config: TrainConfig, dtype: Any) -> tuple[Any, Any]:
    """(model, processor): the pretrained parts in `dtype`, the adapter in float32 from torch's generator as it stands.

    Raises UserError for parts that are not there, an encoder that hears no speech, or a language model that is none.
    """
    import torch

    from cpbench.speechlm import SpeechLMConfig, SpeechLMForConditionalGeneration, SpeechLMProcessor, register
    from cpbench.speechlm.modeling import Adapter

    register()
    encoder, extractor = _encoder(str(config.encoder), dtype, config)
    language_model, words = _language_model(str(config.llm), dtype, config)
    joint = SpeechLMConfig(
        encoder_config=encoder.config,
        text_config=language_model.config,
        audio_token_id=words.convert_tokens_to_ids(_audio_token()),
        sampling_rate=extractor.sampling_rate,
        window_seconds=_window(encoder.config) or config.joint.window_seconds,
        frames_per_embedding=config.joint.frames_per_embedding,
        adapter_hidden_size=config.joint.adapter_hidden_size,
        trim=_trims(encoder.config),
    )
    with torch.device("meta"):  # the real parts take their places: none is made twice
        model = SpeechLMForConditionalGeneration(joint)
    sizes = joint.frames_per_embedding, joint.adapter_hidden_size
    model.adapter = Adapter(encoder.config.hidden_size, *sizes, language_model.config.hidden_size)
    model.audio_encoder, model.language_model = encoder, language_model
    processor = SpeechLMProcessor(
        extractor,
        words,
        chat_template=_template(words),
        window_seconds=joint.window_seconds,
        mel_frames_per_embedding=joint.mel_frames_per_embedding,
        trim=joint.trim,
    )
    model.generation_config = _generation(language_model, processor, joint.audio_token_id)
    return model, processor


def _audio_token() -> str:
    from cpbench.speechlm.processor import AUDIO_TOKEN

    return AUDIO_TOKEN


def _encoder(path: str, dtype: Any, config: TrainConfig) -> tuple[Any, Any]:
    """The encoder and its feature extractor; of a model that also writes (Whisper), the encoder alone."""
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

    trust = {"trust_remote_code": config.trust_remote_code}
    try:
        settings = AutoConfig.from_pretrained(path, **trust)
        if not (hasattr(settings, "num_mel_bins") or hasattr(settings, "conv_stride")):
            raise UserError(
                f"{path} ({settings.model_type}) is no speech encoder",
                mend="--encoder with a Whisper, wav2vec 2.0, HuBERT or WavLM checkpoint",
            )
        extractor = AutoFeatureExtractor.from_pretrained(path, **trust)
        model = AutoModel.from_pretrained(path, dtype=dtype, use_safetensors=True, **trust)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise refusal(path, error) from error
    return (model.get_encoder() if hasattr(model, "decoder") else model), extractor


def _language_model(path: str, dtype: Any, config: TrainConfig) -> tuple[Any, Any]:
    """The language model, and its tokenizer with the audio token, which is only a place for what is heard."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM, AutoTokenizer

    trust = {"trust_remote_code": config.trust_remote_code}
    try:
        settings = AutoConfig.from_pretrained(path, **trust)
        known = config.trust_remote_code or type(settings) in MODEL_FOR_CAUSAL_LM_MAPPING
        if settings.is_encoder_decoder or not known:
            raise UserError(f"{path} ({settings.model_type}) is no causal language model")
        words = AutoTokenizer.from_pretrained(path, **trust)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, use_safetensors=True, **trust)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise refusal(path, error) from error
    if words.eos_token_id is None:
        raise UserError(f"the tokenizer of {path} has no token for the end, so no answer would end")
    words.add_tokens([_audio_token()], special_tokens=True)
    if words.pad_token_id is None:
        words.pad_token = words.eos_token
    words.padding_side = "left"
    if len(words) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(words), mean_resizing=False)
    return model, words


def _window(encoder_config: Any) -> float | None:
    """Seconds that the encoder takes at once, where its positions are learned or fixed for so many; else None."""
    positions = getattr(encoder_config, "max_source_positions", None)
    takes_mel = hasattr(encoder_config, "num_mel_bins")
    return positions * 2 / 100 if positions and takes_mel else None


def _trims(encoder_config: Any) -> bool:
    """Whether padding is left out: Whisper hears whole windows, and under group norm padding changes every frame."""
    return getattr(encoder_config, "feat_extract_norm", "group") == "layer"


def _template(words: Any) -> str:
    own = words.chat_template
    if isinstance(own, dict):
        own = own.get("default")
    return FLATTENED.replace("AUDIO", _audio_token()) + (own or BARE.replace("END", words.eos_token))


def _generation(language_model: Any, processor: Any, audio_token_id: int) -> Any:
    """The language model's ends, and the end of a turn; the audio token is never said."""
    from transformers import GenerationConfig

    own = language_model.generation_config.eos_token_id
    ends = {*(own if isinstance(own, list) else [own]), processor.tokenizer.eos_token_id, end_of_turn(processor)}
    return GenerationConfig(
        eos_token_id=sorted(end for end in ends if end is not None),
        pad_token_id=processor.tokenizer.pad_token_id,
        bos_token_id=processor.tokenizer.bos_token_id,
        suppress_tokens=[audio_token_id],
    )
