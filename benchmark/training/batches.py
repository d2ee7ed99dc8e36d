"""Packs to tensors: several questions behind one clip, each blind to the others.

The clip is encoded once and its embeddings stand once in the sequence; the attention mask lets a question see the clip
and itself, and its positions begin where the clip ends. So the numbers are those of one question a sequence, at a
fraction of the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from cpbench.records import Clip, Tag
from cpbench.training.config import UNTYPED
from cpbench.training.encoded import Encoded
from cpbench.training.features import Features
from cpbench.training.rows import Pack, Tokens, end_of_turn, tokens

IGNORED = -100
KEPT = 256  # states of the generator that are remembered: more than a loader fetches ahead
Window = tuple[torch.Tensor, int]  # an encoder's states (frames, H), and of how many feature frames they were made


@dataclass(frozen=True)
class Aims:
    """What a stage learns besides the answers."""

    weights: Mapping[str, float] = field(default_factory=dict)  # of a question type's answers in the loss, else 1
    voices: Mapping[str, int] | None = None  # the emotions and genders, numbered; None: those of the packs
    prosody: bool = False


class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """Packs rendered once; what is heard stays in `sounds`: features, or the states of a frozen encoder."""

    def __init__(
        self, packs: Sequence[Pack], processor: Any, sounds: Features | Encoded, aims: Aims | None = None
    ) -> None:
        self._aims = aims or Aims()
        self._sounds = sounds
        end = end_of_turn(processor)
        self._packs = [
            (pack, tokens(pack, processor, [sounds.embeddings(one) for one in pack.sounds], end)) for pack in packs
        ]
        self._processor = processor
        self.voices = voices(packs) if self._aims.voices is None else self._aims.voices
        self.lengths = [len(flat(rendered)) for _, rendered in self._packs]

    def __len__(self) -> int:
        return len(self._packs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pack, rendered = self._packs[index]
        words = pack.transcript
        spoken = self._processor.tokenizer(f" {words}", add_special_tokens=False)["input_ids"] if words else []
        example = {
            "tokens": rendered,
            "weights": [self._aims.weights.get(row.type or UNTYPED, 1.0) for row in pack.rows],
            "windows": [window for sound in pack.sounds for window in self._sounds.windows(sound)],
            "transcript": spoken,
            "voice": self._voice(pack) if pack.sounds else [],
        }
        if self._aims.prosody and isinstance(self._sounds, Features):
            example["prosody"] = [frames for sound in pack.sounds for frames in self._sounds.prosody(sound)]
        return example

    def _voice(self, pack: Pack) -> list[tuple[float, float, int]]:
        """(start, end, class) in seconds: the gold emotion tags of a clip, and its gender over all of it."""
        clip = pack.sounds[0].clip
        spans = [(tag.start, tag.end, self.voices[top]) for tag, top in _gold(clip) if top in self.voices]
        if clip.gender is None or clip.gender not in self.voices:
            return spans
        return [*spans, (0.0, clip.seconds or 0.0, self.voices[clip.gender])]


def _gold(clip: Clip) -> list[tuple[Tag, str]]:
    tags = [tag for tag in clip.tags if tag.source == "gold" and tag.emotion]
    return [(tag, max(tag.emotion, key=lambda label: tag.emotion[label])) for tag in tags]


def voices(packs: Sequence[Pack]) -> dict[str, int]:
    """The emotions and the genders of all clips, numbered."""
    clips = [sound.clip for pack in packs for sound in pack.sounds]
    names = {top for clip in clips for _, top in _gold(clip)} | {clip.gender for clip in clips if clip.gender}
    return {name: place for place, name in enumerate(sorted(names))}


@dataclass
class Collator:
    """Examples to one batch; augments the features with `generator`."""

    pad_token_id: int
    level_jitter: float = 0.0  # decibels
    masked_frames: float = 0.0
    seed: int = 0
    downsampling: int = 4
    classes: int = 0  # of the voice

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Draw from the seed on."""
        self._generator = np.random.default_rng(self.seed)
        self._served = 0
        self._states: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=KEPT)

    def state_before(self, batch: int) -> dict[str, Any]:
        """The generator's state before it drew for the batch of that number: a loader fetches ahead of its trainer."""
        kept: dict[int, Mapping[str, Any]] = dict(self._states)
        return dict(kept.get(batch, self._generator.bit_generator.state))

    def go_on(self, state: dict[str, Any]) -> None:
        """Draw on from a state that `state_before` gave."""
        self._generator.bit_generator.state = state

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        self._states.append((self._served, self._generator.bit_generator.state))
        self._served += 1
        batch = packed([example["tokens"] for example in examples], self.pad_token_id)
        batch["weights"] = weighed(batch["labels"], [weight for example in examples for weight in example["weights"]])
        windows = [window for example in examples for window in example["windows"]]
        if not windows:
            return batch
        if isinstance(windows[0], tuple):
            return batch | encoded(windows)
        changed = [self._changed(window) for window in windows]
        batch |= padded([window for window, _ in changed])
        batch["transcripts"], batch["transcript_lengths"] = _transcripts(examples)
        if self.classes:
            batch["voices"] = self._voiced(examples, batch["input_features_mask"])
        if "prosody" in examples[0]:
            targets = [frames for example in examples for frames in example["prosody"]]
            batch["prosody"] = self._sounding(targets, [louder for _, louder in changed], batch["input_features_mask"])
        return batch

    def _sounding(self, targets: Sequence[torch.Tensor], louder: Sequence[float], mask: torch.Tensor) -> torch.Tensor:
        """Level, pitch, whether voiced, and whether known, of each encoder frame: (W, frames, 4).

        Pitch is the mean of the voiced feature frames, of which at least half must be; the level follows the change
        that was made to the features (`louder`, in decades of power).
        """
        step = self.downsampling
        found = torch.zeros(len(targets), -(-mask.shape[1] // step), 4)
        for row, (frames, more) in enumerate(zip(targets, louder, strict=True)):
            whole = torch.nn.functional.pad(frames, (0, 0, 0, -len(frames) % step), value=torch.nan)
            parts = whole.reshape(-1, step, 3)[: found.shape[1]]
            share = parts[..., 2].nanmean(1)
            pitch = (parts[..., 1] * parts[..., 2]).nansum(1) / parts[..., 2].nansum(1).clamp(min=1)
            level = parts[..., 0].nanmean(1) + more * 10 / 20
            voiced = (share >= 0.5).float()
            found[row, : len(parts)] = torch.stack([level, pitch * voiced, voiced, torch.ones(len(parts))], 1)
        return found

    def _voiced(self, examples: Sequence[dict[str, Any]], mask: torch.Tensor) -> torch.Tensor:
        """Which classes hold at each encoder frame: (W, frames, classes), 1 yes, 0 no; all 0 where nothing is known."""
        frames = -(-mask.shape[1] // self.downsampling)
        voiced = torch.zeros(len(mask), frames, self.classes)
        row = 0
        for example in examples:
            if len(example["windows"]) == 1:
                for start, end, place in example["voice"]:
                    first, last = (round(100 * time / self.downsampling) for time in (start, end))
                    voiced[row, first:last, place] = 1.0
            row += len(example["windows"])
        return voiced

    def _changed(self, window: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Another distance from the microphone, and a few moments unheard; and by how many decades it is louder."""
        mel = window.float()
        louder = 0.0
        if self.level_jitter:
            drawn = self._generator.normal(0, self.level_jitter)
            louder = drawn / 10
            mel = mel + drawn / 20  # a decade of power is 10 dB and 1/2 in features
        if self.masked_frames:
            pieces = self._generator.poisson(self.masked_frames * mel.shape[1] / 12)
            for start in self._generator.integers(0, mel.shape[1], pieces):
                mel[:, start : start + self._generator.integers(5, 20)] = mel.mean()
        return mel, louder


def flat(rendered: Tokens) -> list[int]:
    return rendered.prefix + [token for rest, answer in rendered.branches for token in (*rest, *answer)]


def packed(rendered: Sequence[Tokens], pad_token_id: int) -> dict[str, torch.Tensor]:
    """input_ids, labels, position_ids (B, L) and attention_mask bool (B, 1, L, L): who sees whom."""
    length = max(len(flat(one)) for one in rendered)
    ids = torch.full((len(rendered), length), pad_token_id)
    labels = torch.full((len(rendered), length), IGNORED)
    positions = torch.zeros(len(rendered), length, dtype=torch.long)
    seen = torch.eye(length, dtype=torch.bool).repeat(
        len(rendered), 1, 1
    )  # padding sees itself, lest softmax divide by 0
    for row, one in enumerate(rendered):
        _fill(one, ids[row], labels[row], positions[row], seen[row])
    return {"input_ids": ids, "labels": labels, "position_ids": positions, "attention_mask": seen[:, None]}


def _fill(one: Tokens, ids: torch.Tensor, labels: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor) -> None:
    shared = len(one.prefix)
    ids[:shared] = torch.tensor(one.prefix, dtype=torch.long)
    positions[:shared] = torch.arange(shared)
    seen[:shared, :shared] = torch.ones(shared, shared, dtype=torch.bool).tril()
    at = shared
    for rest, answer in one.branches:
        own = len(rest) + len(answer)
        end = at + own
        ids[at:end] = torch.tensor([*rest, *answer])
        labels[at + len(rest) : end] = torch.tensor(answer)
        positions[at:end] = torch.arange(shared, shared + own)
        seen[at:end, :shared] = True
        seen[at:end, at:end] = torch.ones(own, own, dtype=torch.bool).tril()
        at = end


def weighed(labels: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """What each label counts in the loss, (B, L): the weight of its answer, shared among the answer's tokens."""
    counted = torch.zeros(labels.shape)
    said = labels != IGNORED
    begins = said & ~torch.nn.functional.pad(said[:, :-1], (1, 0))
    answer = begins.flatten().cumsum(0) - 1
    lengths = torch.bincount(answer[said.flatten()], minlength=len(weights))
    share = torch.tensor(weights) / lengths.clamp(min=1)
    counted[said] = share[answer[said.flatten()]]
    return counted


def padded(windows: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Windows of different lengths to input_features (W, mels, T) and their mask (W, T)."""
    longest = max(window.shape[1] for window in windows)
    features = torch.zeros(len(windows), windows[0].shape[0], longest)
    mask = torch.zeros(len(windows), longest, dtype=torch.long)
    for row, window in enumerate(windows):
        features[row, :, : window.shape[1]] = window
        mask[row, : window.shape[1]] = 1
    return {"input_features": features, "input_features_mask": mask}


def encoded(windows: Sequence[Window]) -> dict[str, torch.Tensor]:
    """A frozen encoder's states of windows to encoder_states (W, frames, H), zeros behind, and the features' mask."""
    longest = max(len(states) for states, _ in windows)
    together = torch.zeros(len(windows), longest, windows[0][0].shape[1], dtype=windows[0][0].dtype)
    mask = torch.zeros(len(windows), max(mels for _, mels in windows), dtype=torch.long)
    for row, (states, mels) in enumerate(windows):
        together[row, : len(states)] = states
        mask[row, :mels] = 1
    return {"encoder_states": together, "input_features_mask": mask}


def _transcripts(examples: Sequence[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of the auxiliary loss, one row a window; none where a clip is several windows or its words unknown."""
    rows = [
        example["transcript"] if len(example["windows"]) == 1 else []
        for example in examples
        for _ in example["windows"]
    ]
    lengths = torch.tensor([len(row) for row in rows])
    targets = torch.zeros(len(rows), max(1, int(lengths.max())), dtype=torch.long)
    for index, row in enumerate(rows):
        targets[index, : len(row)] = torch.tensor(row, dtype=torch.long)
    return targets, lengths
