"""Packs to tensors: several questions behind one clip, each blind to the others.

The clip is encoded once and its embeddings stand once in the sequence; the attention mask lets a question see the clip
and itself, and its positions begin where the clip ends. So the numbers are those of one question a sequence, at a
fraction of the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cpbench.audio import load
from cpbench.records import Clip, Sound, Tag
from cpbench.training.config import UNTYPED
from cpbench.training.rows import Pack, Tokens, tokens

IGNORED = -100


class Features:
    """Each sound's log-mel windows, computed once and kept as float16 (about 16 kB a second of audio)."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._known: dict[Sound, list[torch.Tensor]] = {}

    def windows(self, sound: Sound) -> list[torch.Tensor]:
        """float16 (mels, frames), one a window. Raises BadClip."""
        if sound not in self._known:
            extractor = self._processor.feature_extractor
            wave = load(sound, extractor.sampling_rate).wave
            made = self._processor(text=self._processor.audio_token, audio=[wave])
            pairs = zip(made["input_features"], made["input_features_mask"], strict=True)
            self._known[sound] = [_valid(mel, mask, self._processor.trim) for mel, mask in pairs]
        return self._known[sound]

    def embeddings(self, sound: Sound) -> int:
        step = self._processor.mel_frames_per_embedding
        return sum(-(-mel.shape[1] // step) for mel in self.windows(sound))


def _valid(mel: torch.Tensor, mask: torch.Tensor, trim: bool) -> torch.Tensor:
    return (mel[:, : int(mask.sum())] if trim else mel).half()


class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """Packs rendered once; audio stays in `features`. `weights`: of a question type's answers in the loss, else 1."""

    def __init__(
        self, packs: Sequence[Pack], processor: Any, features: Features, weights: Mapping[str, float] | None = None
    ) -> None:
        self._weights = weights or {}
        self._features = features
        self._packs = [
            (pack, tokens(pack, processor, [features.embeddings(one) for one in pack.sounds])) for pack in packs
        ]
        self._processor = processor
        self.voices = _voices(packs)

    def __len__(self) -> int:
        return len(self._packs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pack, rendered = self._packs[index]
        words = pack.transcript
        spoken = self._processor.tokenizer(f" {words}", add_special_tokens=False)["input_ids"] if words else []
        return {
            "input_ids": flat(rendered),
            "tokens": rendered,
            "weights": [self._weights.get(row.type or UNTYPED, 1.0) for row in pack.rows],
            "windows": [window for sound in pack.sounds for window in self._features.windows(sound)],
            "transcript": spoken,
            "voice": self._voice(pack) if pack.sounds else [],
        }

    def _voice(self, pack: Pack) -> list[tuple[float, float, int]]:
        """(start, end, class) in seconds: the gold emotion tags of a clip, and its gender over all of it."""
        clip = pack.sounds[0].clip
        spans = [(tag.start, tag.end, self.voices[top]) for tag, top in _gold(clip) if top in self.voices]
        return [*spans, (0.0, clip.seconds or 0.0, self.voices[clip.gender])] if clip.gender in self.voices else spans


def _gold(clip: Clip) -> list[tuple[Tag, str]]:
    tags = [tag for tag in clip.tags if tag.source == "gold"]
    return [(tag, max(tag.emotion, key=lambda label: tag.emotion[label])) for tag in tags]


def _voices(packs: Sequence[Pack]) -> dict[str, int]:
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
        self._generator = np.random.default_rng(self.seed)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = packed([example["tokens"] for example in examples], self.pad_token_id)
        batch["weights"] = weighed(batch["labels"], [weight for example in examples for weight in example["weights"]])
        windows = [self._changed(window) for example in examples for window in example["windows"]]
        if windows:
            batch |= padded(windows)
            batch["transcripts"], batch["transcript_lengths"] = _transcripts(examples)
            if self.classes:
                batch["voices"] = self._voiced(examples, batch["input_features_mask"])
        return batch

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

    def _changed(self, window: torch.Tensor) -> torch.Tensor:
        """Another distance from the microphone, and a few moments unheard."""
        mel = window.float()
        if self.level_jitter:
            mel = (
                mel + self._generator.normal(0, self.level_jitter) / 20
            )  # a decade of power is 10 dB and 1/2 in features
        if self.masked_frames:
            pieces = self._generator.poisson(self.masked_frames * mel.shape[1] / 12)
            for start in self._generator.integers(0, mel.shape[1], pieces):
                mel[:, start : start + self._generator.integers(5, 20)] = mel.mean()
        return mel


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
