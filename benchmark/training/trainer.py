"""transformers' Trainer as cpbench uses it: weighted answers, exact resumption, checkpoints of what learns only."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from cpbench.flow.ledger import write_whole
from cpbench.training.attention import ADDED, pays, written_out
from cpbench.training.batches import Collator
from cpbench.training.config import Stage
from cpbench.training.losses import answer_losses, auxiliary, total_weight

WEIGHTS = "learned.safetensors"
PLACE = "place.pt"
_ASIDE = ("labels", "weights", "transcripts", "transcript_lengths", "voices", "prosody")


class Order(LengthGroupedSampler):  # type: ignore[misc]
    """Like lengths together, drawn anew each epoch; the order of the epoch under way can be kept and gone on with.

    Several ranks take the first one's: their generators need not stand alike.
    """

    def __init__(self, group: int, lengths: Sequence[int], ranks: int) -> None:
        super().__init__(group, lengths=list(lengths))
        self._ranks = ranks
        self.current: list[int] = []
        self.resumed: list[int] | None = None

    def __iter__(self) -> Iterator[int]:
        if self.resumed is not None:
            self.current, self.resumed = self.resumed, None
        else:
            self.current = get_length_grouped_indices(self.lengths, self.batch_size)
            if self._ranks > 1:
                self.current = _from_first(self.current)
        return iter(self.current)


class SpeechTrainer(Trainer):  # type: ignore[misc]
    """Trainer with weighted answers and auxiliary losses on the encoder's frames.

    A checkpoint of it holds the parameters that learn, the optimiser, every generator's state and the place in the
    epoch: going on from it gives the weights that an uninterrupted training gives.
    """

    stage: Stage
    control: Any  # transformers' TrainerControl
    ask: Callable[[], dict[str, float]] | None = None  # asks the held-out part; the first rank's is used
    frozen: Sequence[nn.Module] = ()  # parts that never learn, which dropout should not touch

    def __init__(self, **options: Any) -> None:  # transformers' own, all by name
        super().__init__(**options)
        self.order: Order | None = None
        self._resumed: dict[str, Any] = {}
        self._consumed = 0

    # -- the loss ------------------------------------------------------------------------------------------------------

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        self._consumed += 1
        self.loss_is_scaled_for_ga = True  # by `compute_loss`
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        return loss

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> Any:
        """The weight of all answers of a step, over its batches and ranks: what its loss is a mean over."""
        if not batch_samples:
            return None
        total = torch.stack([total_weight(batch["labels"], batch["weights"]) for batch in batch_samples]).sum()
        total = total.to(device)
        return self.accelerator.reduce(total, "sum") if self.args.world_size > 1 else total

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        for part in self.frozen:  # the Trainer has just set all to training
            part.train(False)
        aside = {name: inputs.pop(name, None) for name in _ASIDE}
        bare = self.accelerator.unwrap_model(model)
        mask = inputs.get("input_features_mask")
        said: Any = None
        loss = torch.zeros((), device=self.args.device)
        if self.stage.trainable == "encoder":
            heard = self._heard(model, inputs)
        else:
            with self._attention(bare):
                said = model(**fitted(bare, inputs))
            heard = getattr(said, "encoder_hidden_states", None)
            total = num_items_in_batch
            if total is None:
                total = total_weight(aside["labels"], aside["weights"])
            loss = answer_losses(said.logits, aside["labels"], aside["weights"]) / total * self.args.world_size
        if heard is not None and mask is not None and _listens(self.stage):
            loss = loss + auxiliary(bare, heard, mask, aside, self.stage) / self._batches_a_step()
        return (self._touched(bare, loss), said) if return_outputs else self._touched(bare, loss)

    def _heard(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor | None:
        """The encoder alone, in float32; None where nothing is heard.

        With several ranks by the model's forward, and even then, for it brings their gradients together: each rank
        must call it in every step.
        """
        features, mask = inputs.get("input_features"), inputs.get("input_features_mask")
        states: torch.Tensor | None = None
        if self.args.world_size > 1:
            states = model(input_features=features, input_features_mask=mask).encoder_hidden_states
        elif features is not None:
            states = self.accelerator.unwrap_model(model).encode(features, mask)
        return states

    def _attention(self, model: nn.Module) -> AbstractContextManager[None]:
        text = getattr(model, "language_model", None)
        if text is None or not pays(text, bfloat16=self.args.bf16, checkpointing=self.args.gradient_checkpointing):
            return nullcontext()
        return written_out(text)

    def _batches_a_step(self) -> int:
        return int(getattr(self, "current_gradient_accumulation_steps", 1))

    def _touched(self, model: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        """The loss, hanging on every parameter that learns where it must: ranks wait for the gradients of all, and a
        batch in which nothing is heard gives the adapter none."""
        if self.args.world_size == 1 and loss.requires_grad:
            return loss
        return loss + sum(0.0 * parameter.sum() for parameter in model.parameters() if parameter.requires_grad)

    # -- the order of the examples -------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        lengths = self.train_dataset.lengths
        group = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        self.order = Order(group, lengths, self.args.world_size)
        self.order.resumed = self._resumed.get("order")
        return self.order

    # -- the held-out part ---------------------------------------------------------------------------------------------

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Ask the held-out part as a run asks it: greedy answers, the benchmark's own metrics."""
        from accelerate.utils import broadcast_object_list

        found: list[dict[str, float]] = [{}]
        if self.ask is not None and self.args.process_index == 0:
            found = [{f"eval_{name}": value for name, value in self.ask().items()}]
        if self.args.world_size > 1:
            broadcast_object_list(found)
        self.log(dict(found[0]))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found[0])
        return found[0]

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def go_on_from(self, checkpoint: Path) -> None:
        """Take up the epoch's order and the augmentation where a checkpoint left them; then `train(checkpoint)`."""
        path = checkpoint / f"{self.args.process_index}-{PLACE}"
        self._resumed = torch.load(path, weights_only=True)
        if isinstance(self.data_collator, Collator):
            self.data_collator.go_on(json.loads(self._resumed["augmentation"]))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if self.args.should_save:
            save_learned(self.model, Path(output_dir or self.args.output_dir) / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_learned(self.model, Path(resume_from_checkpoint) / WEIGHTS)

    def _load_best_model(self) -> None:
        load_learned(self.model, Path(str(self.state.best_model_checkpoint)) / WEIGHTS)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        within = self.order is not None and not float(self.state.epoch or 0.0).is_integer()
        collator = self.data_collator
        place = {
            "order": self.order.current if self.order is not None and within else None,
            "augmentation": json.dumps(
                collator.state_before(self._consumed) if isinstance(collator, Collator) else None
            ),
        }
        torch.save(place, Path(output_dir) / f"{self.args.process_index}-{PLACE}")
        if self.args.world_size > 1:
            torch.distributed.barrier()  # the first rank writes next that the checkpoint is whole


def fitted(model: nn.Module, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs with a mask that the model's attention can take: some add it to the scores as it stands."""
    mask = inputs.get("attention_mask")
    text = getattr(model, "language_model", None)
    if (
        mask is None
        or mask.ndim != 4
        or getattr(getattr(text, "config", None), "_attn_implementation", "") not in ADDED
    ):
        return inputs
    lowest = torch.finfo(torch.float32).min
    added = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, lowest)
    return {**inputs, "attention_mask": added.to(next(model.parameters()).dtype)}


def save_learned(model: nn.Module, path: Path) -> None:
    """Write the parameters that learn, and the buffers of a model that learns whole."""
    from safetensors.torch import save

    kept: dict[str, torch.Tensor] = {name: value for name, value in model.named_parameters() if value.requires_grad}
    kept |= {name: value for name, value in model.named_buffers() if name in model.state_dict().keys() - kept.keys()}
    write_whole(path, save({name: value.detach().cpu().contiguous() for name, value in kept.items()}))


def load_learned(model: nn.Module, path: Path) -> None:
    """Read what `save_learned` wrote into the model."""
    from safetensors.torch import load_file

    held: Mapping[str, torch.Tensor] = dict([*model.named_parameters(), *model.named_buffers()])
    with torch.no_grad():
        for name, value in load_file(path).items():
            held[name].copy_(value)


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint of a stage that was written whole; its state comes last."""
    numbered = [(int(path.name.rpartition("-")[2]), path) for path in folder.glob("checkpoint-[0-9]*")]
    for _, path in sorted(numbered, reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return path
    return None


def steps_of(examples: int, batch: int, accumulation: int, ranks: int) -> int:
    """How many steps an epoch has."""
    return math.ceil(math.ceil(math.ceil(examples / batch) / ranks) / accumulation)


def _listens(stage: Stage) -> bool:
    return bool(stage.ctc_weight or stage.voice_weight or stage.prosody_weight)


def _from_first(values: list[int]) -> list[int]:
    """The first rank's values, on every rank."""
    from accelerate.utils import broadcast_object_list

    held: list[list[int]] = [values]
    broadcast_object_list(held)
    return held[0]
