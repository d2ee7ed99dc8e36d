"""A model's audio encoder, asked no more than it must be: each distinct sound once, and only for its valid frames.

Nothing here knows a class. For the span of one call the encoder's `forward` is answered from here: the rows of features
that are new go through the encoder, and every row gets the output of the sound that it holds. A model for which that is
wrong (an encoder that looks at its padding, one that packs its rows) is found by `trial.py` before it is relied upon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, int]  # a turn's sounds, and which row of theirs

ROOM, STEP = 8, 16
"""Frames beyond the valid ones that an encoder's convolutions may see, and what the number of frames is a multiple of:
encoders join up to 8 of them into one embedding."""


SPAN = 3000
"""Frames that a CPU encodes at once, rows times the longest: what more rows work on falls out of its cache."""


class Unfit(ValueError):
    """The encoder is not called, or does not answer, row by row."""


@dataclass(frozen=True)
class Rows:
    """What is known of a batch's rows of features."""

    keys: Sequence[Key]
    frames: int | None = None  # of a row, padding and all; None: what is padding is not known
    valid: Sequence[int] = ()  # frames of each row that hold sound
    clips: Mapping[str, int] = field(default_factory=dict)  # clips in a turn's sounds


@dataclass
class Tower:
    """An encoder, what it gave for the rows of the last batch, and how often it ran."""

    encoder: Any
    clips: int = 0  # clips that were encoded: a clip that is encoded twice counts twice
    rows: int = 0  # rows of features that entered, windows of a long clip each one
    frames: int = 0  # frames that entered, padding and all
    _kept: dict[Key, dict[str, Any]] = field(default_factory=dict, repr=False)
    _form: type = field(default=dict, repr=False)

    def forget(self) -> None:
        """Drop what was kept: the weights, or the sounds behind the keys, may be others from here on."""
        self._kept = {}

    @contextmanager
    def hearing(self, rows: Rows, *, once: bool, cut: bool) -> Iterator[None]:
        """Within it the encoder answers for rows of these keys. `once`: a sound's rows enter it once, be it in this
        batch or the one before; `cut`: their padding stays outside. With neither it is only counted.
        """
        own, original = self.encoder.__dict__.get("forward"), self.encoder.forward

        def forward(*positional: Any, **named: Any) -> Any:
            return self._answered(original, rows, (positional, named), once=once, cut=cut)

        self.encoder.forward = forward
        try:
            yield
        finally:
            if own is None:
                del self.encoder.forward
            else:
                self.encoder.forward = own

    def _answered(self, original: Any, rows: Rows, given: tuple[Any, Any], *, once: bool, cut: bool) -> Any:
        features = _features(given)
        if features is None or len(features) != len(rows.keys):
            raise Unfit(f"the encoder is called with other rows than the {len(rows.keys)} of the batch")
        kept = self._kept if once else {}
        first = {key: place for place, key in reversed(list(enumerate(rows.keys)))} if once else {}
        places = sorted(place for key, place in first.items() if key not in kept) if once else range(len(rows.keys))
        self.clips += sum(rows.clips.get(key, 1) for key in {rows.keys[place][0] for place in places})
        if not once:
            return self._encoded(original, rows, given, list(places), cut=cut)
        for part in _parts(places, rows, features, cut=cut):
            made = self._encoded(original, rows, given, part, cut=cut)
            kept = kept | {rows.keys[place]: row for place, row in zip(part, _rows(made), strict=True)}
            self._form = type(made)
        self._kept = {key: kept[key] for key in first}
        return self._form(**_together([self._kept[key] for key in rows.keys]))

    def _encoded(self, original: Any, rows: Rows, given: tuple[Any, Any], places: list[int], *, cut: bool) -> Any:
        """What the encoder gives for the rows at these places."""
        import torch

        positional, named = given
        count, frames = len(rows.keys), _features(given).shape[-1]
        index = torch.tensor(places, device=_features(given).device)
        short = _short([rows.valid[place] for place in places], frames) if cut and rows.frames == frames else frames
        with _positions(self.encoder, frames, short) as sizes:

            def fitted(value: Any) -> Any:
                if not isinstance(value, torch.Tensor):
                    return value
                value = value[index] if value.ndim and len(value) == count and len(places) < count else value
                for axis in range(1, value.ndim) if short < frames else ():
                    value = value.narrow(axis, 0, sizes.get(value.shape[axis], value.shape[axis]))
                return value

            made = original(*map(fitted, positional), **{name: fitted(value) for name, value in named.items()})
        self.rows += len(places)
        self.frames += len(places) * short
        return made


def _features(given: tuple[Any, Any]) -> Any:
    """The first floating tensor of a call: what is to be encoded, one row first."""
    positional, named = given
    return next(
        (value for value in (*positional, *named.values()) if getattr(value, "is_floating_point", bool)()), None
    )


def _parts(places: Sequence[int], rows: Rows, features: Any, *, cut: bool) -> list[list[int]]:
    """The rows at these places in the parts in which they are encoded. A GPU takes them all at once."""
    if features.device.type != "cpu":
        return [list(places)] if places else []
    frames, parts, longest = features.shape[-1], list[list[int]](), 0
    for place in places:
        own = _short([rows.valid[place]], frames) if cut and rows.frames == frames else frames
        longest = max(longest, own)
        if parts and (len(parts[-1]) + 1) * longest <= SPAN:
            parts[-1].append(place)
        else:
            parts.append([place])
            longest = own
    return parts


def _short(valid: Sequence[int], frames: int) -> int:
    """How many frames the longest row needs."""
    return min(frames, -(-(max(valid) + ROOM) // STEP) * STEP)


@contextmanager
def _positions(encoder: Any, frames: int, short: int) -> Iterator[dict[int, int]]:
    """The encoder with a table of positions as long as `short` frames need, where it has one that fits `frames`.

    Gives the lengths that change: of frames, and of positions.
    """
    from torch import nn

    table = getattr(encoder, "embed_positions", None)
    if short == frames or not isinstance(table, nn.Embedding) or frames % table.num_embeddings:
        yield {frames: short}
        return
    fewer = short // (frames // table.num_embeddings)
    said = getattr(encoder.config, "max_source_positions", None)
    encoder.embed_positions = nn.Embedding.from_pretrained(table.weight[:fewer])  # type: ignore[no-untyped-call]
    if said is not None:
        encoder.config.max_source_positions = fewer
    try:
        yield {frames: short, table.num_embeddings: fewer}
    finally:
        encoder.embed_positions = table
        if said is not None:
            encoder.config.max_source_positions = said


def _rows(made: Any) -> list[dict[str, Any]]:
    """An encoder's output row by row. Raises Unfit for one that is not made of tensors with a row first."""
    import torch

    fields = {name: value for name, value in made.items() if value is not None} if isinstance(made, Mapping) else {}
    lengths = {len(value) for value in fields.values() if isinstance(value, torch.Tensor) and value.ndim}
    if len(lengths) != 1 or not all(isinstance(value, torch.Tensor) for value in fields.values()):
        raise Unfit(f"the encoder's output is not one row of numbers for each row of features: {type(made).__name__}")
    return [{name: value[place] for name, value in fields.items()} for place in range(lengths.pop())]


def _together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows side by side; one that was encoded beside shorter ones, or longer, is cut or padded with zeros."""
    import torch

    made = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        longest = max(len(value) for value in values)
        padded = [
            torch.nn.functional.pad(value, (0,) * (2 * value.ndim - 1) + (longest - len(value),))
            if len(value) < longest
            else value
            for value in values
        ]
        made[name] = torch.stack(padded)
    return made
