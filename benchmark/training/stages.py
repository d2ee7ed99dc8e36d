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
    """Trainer with the auxiliary loss on the transcript (CTC over the encoder's frames)."""

    ctc_weight: float = 0.0

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        words, lengths = inputs.pop("transcripts", None), inputs.pop("transcript_lengths", None)
        labels, weights = inputs.pop("labels"), inputs.pop("weights")
        said = model(**inputs)
        loss = answer_loss(said.logits, labels, weights)
        if self.ctc_weight and words is not None and said.encoder_hidden_states is not None:
            frames = _frames(inputs["input_features_mask"], said.encoder_hidden_states.shape[1])
            scores = self.accelerator.unwrap_model(model).transcript_head(said.encoder_hidden_states)
            loss = loss + self.ctc_weight * ctc(scores, frames, words, lengths)
        return (loss, said) if return_outputs else loss


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
    with_head = stage.ctc_weight > 0
    if with_head:
        model.transcript_head = nn.Linear(model.config.encoder_config.hidden_size, len(processor.tokenizer))
    trainer = SpeechTrainer(
        model=model,
        args=arguments(config, stage),
        train_dataset=examples,
        data_collator=Collator(
            processor.tokenizer.pad_token_id, config.level_jitter, config.masked_frames, seed=config.seed
        ),
        processing_class=processor,
        callbacks=[_Told(stage.name, watch)],
    )
    trainer.ctc_weight = stage.ctc_weight
    trainer.remove_callback(PrinterCallback)  # the watcher says it
    trainer.train()
    if with_head:
        del model.transcript_head


def freeze(model: nn.Module, stage: Stage) -> None:
    """Let only what the stage names learn."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = stage.trainable == "all" or name.startswith("adapter.")


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
