"""The configuration of `speechlm` and of its own small encoder."""

from __future__ import annotations

import math
from typing import ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec


class SpeechEncoderConfig(PreTrainedConfig):  # type: ignore[misc]
    """A small convolution-augmented transformer over log-mel frames, trained from random weights.

    `downsampling` mel frames (a power of two) become one encoder frame; `kernel_size` is that of the depthwise
    convolution in each layer, in encoder frames.
    """

    model_type = "cpbench_speech_encoder"

    num_mel_bins: int = 80
    hidden_size: int = 160
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 480
    kernel_size: int = 15
    downsampling: int = 4
    dropout: float = 0.1
    initializer_range: float = 0.02


class SpeechLMConfig(PreTrainedConfig):  # type: ignore[misc]
    """Encoder, adapter and language model together.

    `window_seconds` of audio are encoded at once (a longer clip is several windows) and `frames_per_embedding` encoder
    frames become one embedding: Whisper's 1,500 frames of 30 s become 100 with 15. With `trim` the embeddings that hold
    nothing but padding are left out; without it every window has the same number, as in the source paper.

    An encoder that takes the wave itself (wav2vec 2.0, HuBERT, WavLM) has a sample for a mel frame.
    """

    model_type = "speechlm"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "encoder_config": SubConfigSpec(config_class=AutoConfig, model_type="whisper"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    encoder_config: dict | PreTrainedConfig | None = None  # type: ignore[type-arg]
    text_config: dict | PreTrainedConfig | None = None  # type: ignore[type-arg]
    audio_token_id: int = 0
    sampling_rate: int = 16000
    window_seconds: float = 30.0
    mel_frames_per_second: int = 100
    frames_per_embedding: int = 15
    trim: bool = False
    adapter_hidden_size: int = 1024
    tie_word_embeddings: bool = False  # of the whole; the language model's own config says what it ties

    @property
    def takes_waves(self) -> bool:
        """Whether the encoder takes samples, and not mel frames."""
        return hasattr(self.encoder_config, "conv_stride")

    @property
    def downsampling(self) -> int:
        """How many mel frames (or samples) become one encoder frame; Whisper's convolutions have a stride of 2."""
        if self.takes_waves:
            return math.prod(self.encoder_config.conv_stride)  # type: ignore[union-attr]
        return int(getattr(self.encoder_config, "downsampling", 2))

    @property
    def mel_frames_per_embedding(self) -> int:
        return self.downsampling * self.frames_per_embedding

    @property
    def embeddings_per_window(self) -> int:
        """The number of embeddings of a full window: 100 in the source paper."""
        frames = round(self.window_seconds * (self.sampling_rate if self.takes_waves else self.mel_frames_per_second))
        return -(-frames // self.mel_frames_per_embedding)
