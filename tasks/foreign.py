"""lm-eval tasks that are not ours: those with audio and `generate_until` run here too, the rest are refused by name."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cpbench.errors import UsageError, UserError, nearest
from cpbench.formats.audiobench import clip_of
from cpbench.records import Clip, Item, Rights, Task
from cpbench.tasks import catalog, docs

LOG = logging.getLogger("cpbench")
CLOSE = 0.8  # so like one of our names that it is taken for a slip, without the ten seconds of lm-eval's own index
PLACEHOLDER = re.compile(
    " *<audio> *"
)  # where some tasks' texts say that the audio goes; a model's own template places it


def load(name: str) -> tuple[Task, list[Item]]:
    """An lm-eval task by name, or by the path of its YAML, with its items.

    A user's YAML that reads its data with our `@corpus` is like one of ours. Raises UsageError for an unknown name, and
    UserError with the reason for a task that cannot be run.
    """
    config = _config(name)
    if (reason := refusal(config)) is not None:
        raise UserError(f"the lm-eval task cannot be run here, as {reason}:", value=name)
    task = _built(config)
    found = list(_items(task))
    card = Task(
        str(config["task"]),
        str(task.VERSION),
        f"lm-eval task {config['task']}, data set {config.get('dataset_path') or 'of its own'}",
        docs.metrics_for(found),
        Rights(),
        catalog.generation_of(task.config.generation_kwargs),
        types_from="none",
    )
    return card, found


def refusal(config: Mapping[str, Any]) -> str | None:
    """Why a task cannot be run, in words that follow "as"; None if it can."""
    kind = config.get("output_type", "generate_until")
    reasons = {
        "it is a group, whose tasks should be named one by one": isinstance(config.get("task"), list),
        "it is a Python class, which says nothing of its audio": "class" in config,
        "it has no audio": not config.get("doc_to_audio"),
        f"it is of output type {kind}, not generate_until": kind != "generate_until",
        "it shows images": config.get("doc_to_image"),
        "it wants examples before the question": config.get("num_fewshot"),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _config(name: str) -> dict[str, Any]:
    """The task's configuration with its functions: of the YAML that `name` is, or of lm-eval's task of that name."""
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    if is_yaml(name):
        return catalog.read_yaml(name)
    ours = [*catalog.index()]
    if (near := nearest(name, ours)) is not None and difflib.SequenceMatcher(None, name, near).ratio() >= CLOSE:
        raise UsageError("unknown task", value=name, allowed=ours, mend="cpbench tasks")
    LOG.warning("%s is not a task of cpbench: looking through lm-eval's own, which takes about ten seconds", name)
    entry = TaskManager().task_index.get(name)
    if entry is None:
        raise UsageError("neither cpbench nor lm-eval has the task", value=name, allowed=ours, mend="cpbench tasks")
    if entry.kind.name in ("GROUP", "TAG"):
        raise UsageError("a group of lm-eval; name its tasks one by one, not", value=name)
    return dict(load_yaml(entry.yaml_path)) if entry.yaml_path else dict(entry.cfg or {})


def _built(config: dict[str, Any]) -> Any:
    """lm-eval's task object; its constructor loads the data set, which the user may have to bring first."""
    try:
        return docs.built(_undecoded(config))
    except OSError as error:  # of the Hub's client and of datasets: not there, not reachable, not allowed
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = config.get("dataset_path") or "its data set"
        raise UserError(
            f"{config['task']}: {where} cannot be loaded ({first})", mend="on a connected machine"
        ) from None


def is_yaml(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and Path(name).expanduser().is_file()


def _undecoded(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with its audio columns left as bytes, and with no document read as an example."""
    before = config.get("process_docs")

    def process_docs(split: Any) -> Any:
        for column, feature in getattr(split, "features", {}).items():
            if type(feature).__name__ == "Audio":
                split = split.cast_column(column, type(feature)(decode=False))
        return split if before is None else before(split)

    return {**config, "process_docs": process_docs, "fewshot_config": {"samples": []}}


def _items(task: Any) -> Iterator[Item]:
    """Its documents as items: each clip is a recording of its own, as lm-eval knows of no recordings."""
    name = task.config.task
    docs_ = task.eval_docs
    given = [str(doc["id"]) for doc in docs_] if "id" in task.features else []
    ids = given if given and len(set(given)) == len(given) else [str(number) for number in range(len(docs_))]
    for id, raw in zip(ids, docs_, strict=True):
        doc = {key: _lazy(value) for key, value in raw.items()}
        heard = task.doc_to_audio(doc)
        clips = tuple(clip_heard(name, one) for one in (heard if isinstance(heard, list | tuple) else [heard]))
        choices = tuple(map(str, task.doc_to_choice(doc))) if task.config.doc_to_choice is not None else ()
        targets = _targets(task.doc_to_target(doc), choices)
        text = task.fewshot_context(doc, num_fewshot=0, gen_prefix=task.doc_to_prefix(doc))
        question = PLACEHOLDER.sub(" ", text).strip()
        label = targets[0] if targets and targets[0] in choices else None
        yield Item(id, name, clips, question, targets, label=label, options=choices if label else ())


def _targets(target: Any, choices: tuple[str, ...]) -> tuple[str, ...]:
    """What is right, in words: an index is one of the choices."""
    several = target if isinstance(target, list | tuple) else [target]
    return tuple(choices[one] if isinstance(one, int) and choices else str(one) for one in several)


def _lazy(value: Any) -> Any:
    """An undecoded audio column's value as one that decodes when its array is asked for."""
    return docs.Audio(clip_of(value)) if isinstance(value, Mapping) and value.keys() == {"bytes", "path"} else value


def clip_heard(task: str, heard: Any) -> Clip:
    """What a task's doc_to_audio gave, as a clip; bytes and samples go into the cache of clips."""
    if isinstance(heard, docs.Audio):
        return heard.clip
    try:
        return clip_of(heard)
    except TypeError:
        kind = type(heard).__name__
    raise UserError(f"{task}: its audio comes as {kind}, and should be a path, or an array and its sampling rate")
