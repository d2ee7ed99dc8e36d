"""What a training minimises: weighted answers, and auxiliary losses on the encoder's frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cpbench.training.batches import IGNORED
from cpbench.training.config import Stage

HEADS = ("transcript_head", "voice_head", "prosody_head")


def answer_losses(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted sum of the labelled tokens' cross-entropy. logits (B, L, V), labels (B, L), weights (B, L)."""
    known = labels[:, 1:] != IGNORED
    losses = nn.functional.cross_entropy(logits[:, :-1][known].float(), labels[:, 1:][known], reduction="none")
    return (losses * weights[:, 1:][known]).sum()


def total_weight(labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What `answer_losses` is divided by for a mean."""
    return weights[:, 1:][labels[:, 1:] != IGNORED].sum()


def answer_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross-entropy of the labelled tokens. logits (B, L, V), labels (B, L), weights (B, L)."""
    return answer_losses(logits, labels, weights) / total_weight(labels, weights)


def voice_loss(scores: torch.Tensor, voices: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy over the frames of which something is known. scores, voices (W, frames, classes)."""
    known = voices.any(-1)
    return nn.functional.binary_cross_entropy_with_logits(scores[known].float(), voices[known])


def prosody_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """How far level and pitch are off, and whether a pitch is told from none.

    scores (W, frames, 3): level, pitch, voiced; targets (W, frames, 4): the same, and whether the frame is known.
    """
    known, voiced = targets[..., 3] > 0, targets[..., 2] > 0
    level = nn.functional.mse_loss(scores[..., 0][known].float(), targets[..., 0][known])
    told = nn.functional.binary_cross_entropy_with_logits(scores[..., 2][known].float(), targets[..., 2][known])
    if not voiced.any():
        return level + told
    return level + told + nn.functional.mse_loss(scores[..., 1][voiced].float(), targets[..., 1][voiced])


def ctc(scores: torch.Tensor, frames: torch.Tensor, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean CTC loss a token, blank 0, over the rows that have words.

    scores (W, T, V); frames (W,), how many of T are valid; words (W, N); lengths (W,), how many of N.
    """
    known = lengths > 0
    log_probs = scores[known].float().log_softmax(-1).transpose(0, 1)
    return nn.functional.ctc_loss(log_probs, words[known], frames[known], lengths[known], zero_infinity=True)


def auxiliary(model: Any, heard: torch.Tensor, mask: torch.Tensor, aside: dict[str, Any], stage: Stage) -> torch.Tensor:
    """The stage's losses on the encoder's frames, each by its head on the model. heard (W, frames, H)."""
    loss = torch.zeros((), device=heard.device)
    if stage.ctc_weight and aside["transcripts"] is not None:
        scores = model.transcript_head(heard)
        frames = _frames(mask, heard.shape[1])
        loss = loss + stage.ctc_weight * ctc(scores, frames, aside["transcripts"], aside["transcript_lengths"])
    if stage.voice_weight and aside["voices"] is not None:
        loss = loss + stage.voice_weight * voice_loss(model.voice_head(heard), aside["voices"])
    if stage.prosody_weight and aside["prosody"] is not None:
        loss = loss + stage.prosody_weight * prosody_loss(model.prosody_head(heard), aside["prosody"])
    return loss


def _frames(mask: torch.Tensor, total: int) -> torch.Tensor:
    """How many encoder frames of each window are not padding."""
    return torch.ceil(mask.sum(-1) * (total / mask.shape[1])).long().clamp(max=total)


def add_heads(model: Any, stage: Stage, *, vocabulary: int, voices: int) -> None:
    """The auxiliary heads that a stage needs and the model has not yet; new weights from torch's generator."""
    size = getattr(getattr(model.config, "encoder_config", None), "hidden_size", 0)
    if (stage.ctc_weight or stage.voice_weight) and not hasattr(model, "transcript_head"):
        model.transcript_head = nn.Linear(size, vocabulary)
        model.voice_head = nn.Linear(size, voices)
    if stage.prosody_weight and not hasattr(model, "prosody_head"):
        model.prosody_head = nn.Linear(size, 3)


def without_heads(model: Any) -> Any:
    """The model as it is kept: the auxiliary heads were for training only."""
    for head in HEADS:
        if hasattr(model, head):
            delattr(model, head)
    return model
