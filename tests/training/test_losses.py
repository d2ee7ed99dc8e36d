from __future__ import annotations

import dataclasses

import pytest
import torch

from cpbench.errors import UserError
from cpbench.training import TrainConfig, train
from cpbench.training.batches import IGNORED, weighed
from cpbench.training.losses import answer_loss, ctc, voice_loss


def test_each_answer_counts_its_weight_whatever_its_length() -> None:
    labels = torch.tensor([[IGNORED, 5, 6, 7, IGNORED, 8], [IGNORED, IGNORED, 9, 9, IGNORED, IGNORED]])
    counted = weighed(labels, [1.0, 2.0, 0.5])
    expected = [[0, 1 / 3, 1 / 3, 1 / 3, 0, 2.0], [0, 0, 0.25, 0.25, 0, 0]]
    torch.testing.assert_close(counted, torch.tensor(expected))


def test_answer_loss_is_the_weighted_mean_of_the_tokens_losses() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5)
    labels = torch.tensor([[IGNORED, IGNORED, 3, 1], [IGNORED, 2, IGNORED, IGNORED]])
    weights = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 2.0, 0.0, 0.0]])
    log_probs = logits.log_softmax(-1)
    by_hand = -(0.5 * log_probs[0, 1, 3] + 0.5 * log_probs[0, 2, 1] + 2.0 * log_probs[1, 0, 2]) / 3.0
    torch.testing.assert_close(answer_loss(logits, labels, weights), by_hand)


def test_equal_weights_give_the_librarys_loss() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 6, 7), torch.tensor([[IGNORED, 1, 2, IGNORED, 4, IGNORED]])
    expected = torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=IGNORED)
    torch.testing.assert_close(answer_loss(logits, labels, torch.ones(1, 6)), expected)


def test_ctc_leaves_out_what_has_no_words() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 6, 5)
    words, frames = torch.tensor([[1, 2, 3], [0, 0, 0]]), torch.tensor([5, 6])
    both = ctc(scores, frames, words, torch.tensor([3, 0]))
    alone = ctc(scores[:1], frames[:1], words[:1], torch.tensor([3]))
    torch.testing.assert_close(both, alone)


def test_voice_loss_is_over_the_frames_of_which_something_is_known() -> None:
    scores = torch.tensor([[[2.0, -1.0], [0.5, 0.5], [9.0, 9.0]]])
    voices = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    right = torch.tensor([2.0, 1.0, -0.5, 0.5]).sigmoid().log()
    torch.testing.assert_close(voice_loss(scores, voices), -right.mean())


def test_a_stage_of_types_that_no_item_has_is_refused(config: TrainConfig) -> None:
    stage = dataclasses.replace(config.stages[0], types=("CS",))
    with pytest.raises(UserError, match="nothing to learn"):
        train(dataclasses.replace(config, stages=(stage,)))
