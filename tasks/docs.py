"""lm-eval's calling conventions, in both directions: items as its documents, its documents as items.

A task's reader is a function `(folder, card) -> Iterator[Item]`. `@corpus` makes of it what a YAML names as
`custom_dataset`; a document is then an item's fields, with `audio` in place of the clips and `text` as the words shown.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from cpbench.errors import UserError
from cpbench.records import Clip, Item, Outcome, Request, Sound
from cpbench.tasks.catalog import Card, card_at, located, read_yaml

Document = dict[str, Any]
Reader = Callable[[Path, Card], Iterator[Item]]
SAMPLING_RATE = 16000  # of `Audio["array"]`, for lm-eval's own models: what the audio models of its time take
IN_LM_EVAL = ("accuracy", "unextractable", "lure_rate", "overlap_score")  # means over items: what lm-eval can aggregate
FIELDS = tuple(field.name for field in dataclasses.fields(Item) if field.name != "clips")


@dataclass(frozen=True, repr=False)
class Audio(Mapping[str, Any]):
    """One clip as lm-eval's audio models take it, decoded when "array" is asked for: copies and logs hold a path."""

    clip: Clip

    def __getitem__(self, key: str) -> Any:
        if key == "path":
            return self.clip.path
        if key == "sampling_rate":
            return SAMPLING_RATE
        if key == "array":
            from cpbench.audio import load

            return load(Sound(self.clip), SAMPLING_RATE).wave
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("path", "sampling_rate", "array"))

    def __len__(self) -> int:
        return 3

    def __repr__(self) -> str:
        return f"Audio({self.clip.path!r}, {self.clip.sha256})"  # lm-eval's doc_hash is made of this


def document(item: Item) -> Document:
    """An item as lm-eval's document; `item_of` is its inverse."""
    words = {name: getattr(item, name) for name in FIELDS}
    return {
        **words,
        "references": list(item.references),  # lm-eval knows several targets by their list
        "text": item.prompt or item.question,
        "audio": [Audio(clip) for clip in item.clips],
    }


def is_document(doc: object) -> bool:
    """Whether a document of lm-eval's is one of ours, an item."""
    return isinstance(doc, dict) and doc.keys() >= {*FIELDS, "text", "audio"}


def item_of(doc: Document) -> Item:
    """The item of one of our documents, without loss."""
    words = {name: doc[name] for name in FIELDS}
    clips = tuple(audio.clip for audio in doc["audio"])
    return Item(**{**words, "references": tuple(doc["references"])}, clips=clips)


class Documents(Sequence[Document]):
    """A split, read as far as it is asked for: `[0]` reads one item, `len` all of them."""

    def __init__(self, items: Callable[[], Iterator[Item]], *, task: str, folder: Path) -> None:
        self._start, self._task, self._folder = items, task, folder
        self._rest: Iterator[Item] | None = None
        self._read: list[Item] = []

    @property
    def features(self) -> dict[str, None]:
        """The names of a document's fields, as lm-eval asks for them."""
        return dict.fromkeys((*FIELDS, "text", "audio"))

    @property
    def items(self) -> list[Item]:
        """All of them. Raises UserError where the data hold none, and where two have one id."""
        self._fill(None)
        return self._read

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, key: int) -> Document: ...
    @overload
    def __getitem__(self, key: slice) -> list[Document]: ...
    def __getitem__(self, key: int | slice) -> Document | list[Document]:
        if isinstance(key, slice):
            return [document(item) for item in self.items[key]]
        if key < 0:
            return document(self.items[key])
        self._fill(key + 1)
        return document(self._read[key])

    def _fill(self, count: int | None) -> None:
        """Read until there are `count` items; None: to the end."""
        if self._rest is None:
            self._rest = self._start()
        missing = None if count is None else max(0, count - len(self._read))
        self._read.extend(itertools.islice(self._rest, missing))
        if not self._read:
            raise UserError(f"{self._task}: no items in {self._folder}")
        if count is None or len(self._read) < count:  # that was the end
            self._check_ids()

    def _check_ids(self) -> None:
        (double, times), *_ = Counter(item.id for item in self._read).most_common(1)
        if times > 1:
            raise UserError(f"{self._task}: {times} items of {self._folder} have the id", value=double)


class Corpus:
    """A reader as what lm-eval's `custom_dataset` wants: called with the YAML's metadata, it gives lazy splits."""

    def __init__(self, read: Reader) -> None:
        self.read = read

    def __call__(
        self, *, config_source: str, data_dirs: Mapping[str, str] | None = None, **_: object
    ) -> dict[str, Documents]:
        """lm-eval gives `config_source`, the YAML's path, and the model's arguments; cpbench adds `data_dirs`.

        Raises UserError where the data are nowhere, before anything is read.
        """
        card = card_at(config_source)
        folder = located(card, data_dirs or {})
        return {"test": Documents(lambda: self.read(folder, card), task=card.name, folder=folder)}


def corpus(read: Reader) -> Corpus:
    """Decorate a task's reader, `(folder, card) -> Iterator[Item]`, so that a YAML can name it as `custom_dataset`."""
    return Corpus(read)


def reads_items(yaml: str | Path) -> bool:
    """Whether a YAML's data come from an `@corpus` reader, so that its documents are items."""
    return isinstance(read_yaml(yaml).get("custom_dataset"), Corpus)


def process_results(doc: Document, results: Sequence[str]) -> dict[str, float]:
    """One answer's metrics for lm-eval's own evaluator: those of question.yaml that apply to the item.

    lm-eval averages them over items, without intervals by recording; `cpbench run` is the way to those.
    """
    from cpbench.metrics import find_metrics

    item = item_of(doc)
    request = Request(item.id, item.task, "audio", doc["text"], ())
    outcome = Outcome(item, request.answered(results[0], heard=0.0))
    metrics = [metric for metric in find_metrics(IN_LM_EVAL) if metric.applies(outcome)]
    return {metric.name: float(metric.value(metric.rows([outcome]).sum(axis=0))) for metric in metrics}


def metrics_for(items: Sequence[Item]) -> tuple[str, ...]:
    """The metrics that items without a YAML of ours allow: balanced ones where a type has labels of one set."""
    labelled = [item for item in items if item.label is not None and item.options]
    metrics = ["overlap_score"]
    if any(item.lure is not None for item in labelled):
        metrics.insert(0, "lure_rate")
    if labelled:
        metrics[:0] = ["accuracy", "unextractable"]
    sets = {(item.type, frozenset(item.options)) for item in labelled}
    if len({type for type, _ in sets}) == len(sets) > 0:
        metrics[1:1] = ["balanced_accuracy", "macro_f1", "weighted_f1"]
    return tuple(metrics)


def built(spec: str | Mapping[str, Any], data_dirs: Mapping[str, str] | None = None) -> Any:
    """lm-eval's task object of a YAML's path or of a configuration. Its constructor reads one document.

    lm-eval warns of every custom data set that it could be given more words; that is not for our users.
    """
    from lm_eval.tasks import TaskManager

    log = logging.getLogger("lm_eval")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        manager = TaskManager(include_defaults=False, metadata={"data_dirs": dict(data_dirs or {})})
        (task,) = manager.load([spec])["tasks"].values()
    finally:
        log.setLevel(level)
    return task
