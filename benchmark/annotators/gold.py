"""`gold`: what people said of the clip, as the data set has it: its tags whose source is "gold"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from cpbench.records import Annotation, Heard


@dataclass
class Gold:
    """The clip's own tags; none where it has none."""

    name: ClassVar[str] = "gold"

    def annotate(self, sounds: Iterable[Heard]) -> Iterator[Annotation]:
        """Yield the gold tags of each sound, in order."""
        for heard in sounds:
            clip = heard.sound.clip
            yield Annotation(
                clip.sha256 or clip.path, self.name, tuple(tag for tag in clip.tags if tag.source == self.name)
            )
