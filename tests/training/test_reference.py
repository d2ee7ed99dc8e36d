"""What a from-random-weights training computes, held against a plain loop: the packaged demo rests on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import get_cosine_schedule_with_warmup, set_seed
from transformers.trainer_pt_utils import get_length_grouped_indices

from cpbench.formats import read
from cpbench.records import Setting
from cpbench.training import Stage, TrainConfig, train
from cpbench.training.batches import Aims, Collator, Examples, flat
from cpbench.training.features import Features
from cpbench.training.fresh import speechlm
from cpbench.training.losses import answer_loss, ctc
from cpbench.training.rows import packs
from cpbench.training.train import _texts

RATE, EPOCHS, BATCH = 1e-3, 2, 4


def test_the_same_weights_as_a_plain_loop_to_the_last_bit(config: TrainConfig) -> None:
    stage = Stage("all", EPOCHS, RATE, ctc_weight=0.2)
    config = dataclasses.replace(config, stages=(stage,), batch_size=BATCH, level_jitter=1.0, masked_frames=0.1)
    config = dataclasses.replace(config, threads=1, warmup=2, weights={"DG": 2.0})
    trained = load_file(train(config) / "model.safetensors")
    by_hand = looped(config)
    assert trained.keys() <= by_hand.keys()
    assert all(torch.equal(trained[name], by_hand[name]) for name in trained)


def looped(config: TrainConfig) -> dict[str, torch.Tensor]:
    """Forward, backward, clip, AdamW, cosine: no Trainer, no Examples' bookkeeping beyond the batches themselves."""
    assert config.sizes is not None
    items = [item for item in read("items", Path(config.data[0]), task="items") if item.split == "train"]
    made = packs(items, config.asked, Setting(), seed=0)
    set_seed(0)
    model, processor = speechlm(config.sizes, _texts(made))
    model.transcript_head = torch.nn.Linear(32, len(processor.tokenizer))
    torch.nn.Linear(32, 4)  # the voice's head, which this stage does not use
    examples = Examples(made, processor, Features(processor), Aims({"DG": 2.0}))
    rendered = [len(flat(example["tokens"])) for example in (examples[place] for place in range(len(examples)))]
    collate = Collator(processor.tokenizer.pad_token_id, 1.0, 0.1, seed=0)
    decayed = [value for name, value in model.named_parameters() if value.ndim > 1]
    rest = [value for name, value in model.named_parameters() if value.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), eps=1e-8, fused=True)
    steps = EPOCHS * -(-len(made) // BATCH)
    schedule = get_cosine_schedule_with_warmup(optimiser, 2, steps)
    set_seed(0)
    for _ in range(EPOCHS):
        torch.empty((), dtype=torch.int64).random_()  # the loader's own seed
        order = get_length_grouped_indices(rendered, BATCH)
        for start in range(0, len(order), BATCH):
            batch = collate([examples[place] for place in order[start : start + BATCH]])
            labels, weights = batch.pop("labels"), batch.pop("weights")
            words, lengths = batch.pop("transcripts", None), batch.pop("transcript_lengths", None)
            model.train()
            said = model(**batch)
            loss = answer_loss(said.logits, labels, weights)
            if words is not None:
                frames = batch["input_features_mask"].sum(-1)
                heard = said.encoder_hidden_states
                frames = (
                    torch.ceil(frames * (heard.shape[1] / batch["input_features_mask"].shape[1]))
                    .long()
                    .clamp(max=heard.shape[1])
                )
                loss = loss + 0.2 * ctc(model.transcript_head(heard), frames, words, lengths)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([value for value in model.parameters() if value.grad is not None], 1.0)
            optimiser.step()
            schedule.step()
            model.zero_grad()
    return {name: value.half() for name, value in model.state_dict().items()}
