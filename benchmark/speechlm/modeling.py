"""Audio encoder, MLP adapter and causal language model as one transformers model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from cpbench.speechlm.config import SpeechLMConfig


@dataclass
class SpeechLMOutput(CausalLMOutputWithPast):  # type: ignore[misc]
    """What a causal language model puts out, and what the encoder heard (for auxiliary losses)."""

    encoder_hidden_states: torch.Tensor | None = None  # (windows, frames, H)


class Adapter(nn.Module):
    """Stack neighbouring frames and bring them to the language model's size (paper: 1,500 frames to 100)."""

    def __init__(self, frame_size: int, frames: int, hidden_size: int, text_size: int) -> None:
        super().__init__()
        self.frames = frames
        self.up = nn.Linear(frame_size * frames, hidden_size)
        self.down = nn.Linear(hidden_size, text_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(windows, frames, H) -> (windows, ceil(frames / self.frames), text size); the last stack ends in zeros."""
        windows, length, size = states.shape
        states = states.to(self.up.weight.dtype)
        states = nn.functional.pad(states, (0, 0, 0, -length % self.frames))
        stacked = states.reshape(windows, -1, size * self.frames)
        embeddings: torch.Tensor = self.down(nn.functional.gelu(self.up(stacked)))
        return embeddings


class SpeechLMForConditionalGeneration(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The paper's Speech-LLM (PAPER §5): answers in text about none, one or several clips in a conversation."""

    config_class = SpeechLMConfig
    config: SpeechLMConfig
    base_model_prefix = "language_model"
    main_input_name = "input_ids"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: SpeechLMConfig) -> None:
        super().__init__(config)
        encoder_config: Any = config.encoder_config
        text_config: Any = config.text_config
        encoder = AutoModel.from_config(encoder_config)
        self.audio_encoder = encoder.get_encoder() if hasattr(encoder, "decoder") else encoder
        self.adapter = Adapter(
            encoder_config.hidden_size,
            config.frames_per_embedding,
            config.adapter_hidden_size,
            text_config.hidden_size,
        )
        self.language_model = AutoModelForCausalLM.from_config(text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()  # type: ignore[no-any-return]

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()  # type: ignore[no-any-return]

    def encode(self, input_features: torch.Tensor, input_features_mask: torch.Tensor | None) -> torch.Tensor:
        """Encoder states (windows, ceil(T / downsampling), H) of log-mel windows (windows, mels, T), or of waves.

        Convolutions without padding leave out the last frame or two of a wave: zeros stand for them.
        """
        features = input_features.to(self.audio_encoder.dtype)
        if self.config.takes_waves:
            features = features.flatten(1)
        states = self.audio_encoder(features, attention_mask=input_features_mask).last_hidden_state
        missing = -(-input_features.shape[-1] // self.config.downsampling) - states.shape[1]
        if missing > 0:
            states = nn.functional.pad(states, (0, 0, 0, missing))
        if self.config.takes_waves and self.config.trim and input_features_mask is not None:
            lengths = self.audio_encoder._get_feat_extract_output_lengths(input_features_mask.sum(-1))
            places = torch.arange(states.shape[1], device=states.device)
            states = states * (places < lengths[:, None])[..., None]
        return states  # type: ignore[no-any-return]

    def get_audio_features(
        self, input_features: torch.Tensor, input_features_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The embeddings of all windows one after the other, (embeddings, text size)."""
        return self.adapted(self.encode(input_features, input_features_mask), input_features_mask)

    def adapted(self, states: torch.Tensor, input_features_mask: torch.Tensor | None) -> torch.Tensor:
        """Encoder states to embeddings, those of padding left out where the config says `trim`."""
        embeddings = self.adapter(states)
        if not self.config.trim or input_features_mask is None:
            return embeddings.flatten(0, 1)  # type: ignore[no-any-return]
        step = self.config.mel_frames_per_embedding
        lengths = (input_features_mask.sum(-1) + step - 1) // step
        places = torch.arange(embeddings.shape[1], device=embeddings.device)
        return embeddings[places < lengths[:, None]]  # type: ignore[no-any-return]

    def forward(  # noqa: PLR0917 (the library passes input_ids first, and the rest by name)
        self,
        input_ids: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        input_features_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        encoder_states: torch.Tensor | None = None,
        **kwargs: Any,  # labels, past_key_values, logits_to_keep: the language model's own
    ) -> SpeechLMOutput:
        """input_ids (B, L) with one audio token an embedding; input_features (windows, mels, T), the windows of all
        clips of the batch in order; labels (B, L), -100 where nothing is learned.

        encoder_states (windows, frames, H): what `encode` gave for the windows before, in place of input_features.
        Without input_ids the answer holds the encoder's states alone. position_ids are named here for `generate` to
        count them by the mask: without them padding would shift a language model with learned positions.

        Raises ValueError where audio tokens and embeddings differ in number.
        """
        heard = encoder_states
        if heard is None and input_features is not None:
            heard = self.encode(input_features, input_features_mask)
        if input_ids is None and inputs_embeds is None:  # only heard
            return SpeechLMOutput(encoder_hidden_states=heard)
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if heard is not None and input_ids is not None:
            inputs_embeds = self._placed(input_ids, inputs_embeds, self.adapted(heard, input_features_mask))
        said = self.language_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, position_ids=position_ids, **kwargs
        )
        return SpeechLMOutput(
            loss=said.loss,
            logits=said.logits,
            past_key_values=said.past_key_values,
            hidden_states=said.hidden_states,
            attentions=said.attentions,
            encoder_hidden_states=heard,
        )

    def _placed(self, input_ids: torch.Tensor, embeds: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        places = input_ids == self.config.audio_token_id
        if int(places.sum()) != len(audio):
            raise ValueError(f"{int(places.sum())} audio tokens for {len(audio)} audio embeddings")
        return embeds.masked_scatter(places[..., None], audio.to(embeds.dtype))
