"""One stage of a training, on transformers' Trainer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from cpbench.flow.watch import Watch
from cpbench.training.batches import IGNORED, Collator, Examples
from cpbench.training.config import Stage, TrainConfig


class SpeechTrainer(Trainer):  # type: ignore[misc]
    """Trainer with weighted answers and auxiliary losses on the encoder's frames."""

    stage: Stage

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        aside = {name: inputs.pop(name, None) for name in _ASIDE}
        bare = self.accelerator.unwrap_model(model)
        said: Any = None
        if self.stage.trainable == "encoder":
            heard = bare.encode(inputs["input_features"], inputs["input_features_mask"])
            loss = torch.zeros(())
        else:
            said = model(**inputs)
            heard = said.encoder_hidden_states
            loss = answer_loss(said.logits, aside["labels"], aside["weights"])
        if heard is not None:
            loss = loss + self._auxiliary(bare, heard, inputs["input_features_mask"], aside)
        return (loss, said) if return_outputs else loss

    def _auxiliary(self, model: Any, heard: torch.Tensor, mask: torch.Tensor, aside: dict[str, Any]) -> torch.Tensor:
        loss = torch.zeros(())
        if self.stage.ctc_weight:
            scores = model.transcript_head(heard)
            frames = _frames(mask, heard.shape[1])
            loss = loss + self.stage.ctc_weight * ctc(scores, frames, aside["transcripts"], aside["transcript_lengths"])
        if self.stage.voice_weight:
            loss = loss + self.stage.voice_weight * voice_loss(model.voice_head(heard), aside["voices"])
        return loss


_ASIDE = ("labels", "weights", "transcripts", "transcript_lengths", "voices")


def voice_loss(scores: torch.Tensor, voices: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy over the frames of which something is known. scores, voices (W, frames, classes)."""
    known = voices.any(-1)
    return nn.functional.binary_cross_entropy_with_logits(scores[known].float(), voices[known])


def answer_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross-entropy of the labelled tokens. logits (B, L, V), labels (B, L), weights (B, L)."""
    known = labels[:, 1:] != IGNORED
    losses = nn.functional.cross_entropy(logits[:, :-1][known].float(), labels[:, 1:][known], reduction="none")
    counted = weights[:, 1:][known]
    return (losses * counted).sum() / counted.sum()


def ctc(scores: torch.Tensor, frames: torch.Tensor, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean CTC loss a token, blank 0, over the rows that have words.

    scores (W, T, V); frames (W,), how many of T are valid; words (W, N); lengths (W,), how many of N.
    """
    known = lengths > 0
    log_probs = scores[known].float().log_softmax(-1).transpose(0, 1)
    return nn.functional.ctc_loss(log_probs, words[known], frames[known], lengths[known], zero_infinity=True)


def _frames(mask: torch.Tensor, total: int) -> torch.Tensor:
    """How many encoder frames of each window are not padding."""
    return torch.ceil(mask.sum(-1) * (total / mask.shape[1])).long().clamp(max=total)


def run_stage(
    model: Any, processor: Any, examples: Examples, *, config: TrainConfig, stage: Stage, watch: Watch
) -> None:
    """Train the model in place."""
    freeze(model, stage)
    if (stage.ctc_weight or stage.voice_weight) and not hasattr(model, "transcript_head"):
        size = model.config.encoder_config.hidden_size
        model.transcript_head = nn.Linear(size, len(processor.tokenizer))
        model.voice_head = nn.Linear(size, len(examples.voices))
    trainer = SpeechTrainer(
        model=model,
        args=arguments(config, stage),
        train_dataset=examples,
        data_collator=Collator(
            processor.tokenizer.pad_token_id,
            config.level_jitter,
            config.masked_frames,
            seed=config.seed,
            downsampling=model.config.downsampling,
            classes=len(examples.voices),
        ),
        processing_class=processor,
        callbacks=[_Told(stage.name, watch)],
    )
    trainer.stage = stage
    trainer.remove_callback(PrinterCallback)  # the watcher says it
    trainer.train()


def without_heads(model: Any) -> Any:
    """The model as it is kept: the auxiliary heads were for training only."""
    for head in ("transcript_head", "voice_head"):
        if hasattr(model, head):
            delattr(model, head)
    return model


def freeze(model: nn.Module, stage: Stage) -> None:
    """Let only what the stage names learn."""
    own: dict[str, tuple[str, ...]] = {
        "all": ("",),
        "adapter": ("adapter.",),
        "encoder": ("audio_encoder.", "transcript_head.", "voice_head."),
    }
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(own[stage.trainable])


def arguments(config: TrainConfig, stage: Stage) -> TrainingArguments:
    """The Trainer's own words for a stage."""
    return TrainingArguments(
        output_dir=config.out,
        num_train_epochs=stage.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=config.precision == "bfloat16",
        train_sampling_strategy="group_by_length",
        seed=config.seed,
        data_seed=config.seed,
        save_strategy="no",
        logging_steps=100,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
    )


class _Told(TrainerCallback):  # type: ignore[misc]
    """Tells the watcher each step, and the loss now and then."""

    def __init__(self, stage: str, watch: Watch) -> None:
        self._stage, self._watch = stage, watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._watch.stage(f"training {self._stage}", total=state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._watch.advance()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self._watch.say(
                f"{self._stage}: step {state.global_step} of {state.max_steps}, loss {float(logs['loss']):.3f}"
            )
