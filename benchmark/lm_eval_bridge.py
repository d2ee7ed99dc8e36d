"""cpbench's tasks and models inside lm-eval's own command line, through the same engine as `cpbench run`.

lm-eval's evaluator then asks the questions and computes its own means; the answers are those of `cpbench run`, clip by
clip. It cannot resume, knows no intervals by recording and no judge: for those there is `cpbench run`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cpbench.conditions import present
from cpbench.engine import check_hearing, hearing_turns, predict
from cpbench.errors import UsageError, UserError
from cpbench.models import load_model
from cpbench.parts import Model
from cpbench.records import Item, Request, Setting, Task
from cpbench.tasks import check_rights, include_path, list_tasks
from cpbench.tasks.catalog import generation_of
from cpbench.tasks.docs import is_document, item_of
from cpbench.tasks.foreign import clip_heard

DEFAULTS: Mapping[str, object] = {"batch_size": 1, "device": "cuda:0", "max_batch_size": None}
"""What lm-eval gives a model of which its user said nothing, on any machine: then the model chooses itself."""
REFUSED: Mapping[str, str] = {
    "--include_path": "--tasks PATH/OF/YOUR/task.yaml",  # lm-eval takes one such path, and it is that of our tasks
    "--use_cache": "cpbench run, which goes on where it stopped",  # its keys cannot be made of audio
}
OWN_OPTIONS = ("spec", "third_party_ok", "hearing_check")


def command_line(arguments: Sequence[str], data_dirs: Mapping[str, str]) -> None:
    """Run lm-eval's command line with our tasks and the model `cpbench` registered.

    Raises UsageError for the flags that cannot be had here (see REFUSED). May leave by SystemExit.
    """
    for word in arguments:
        if (mend := REFUSED.get(word.split("=")[0])) is not None:
            raise UsageError("cpbench lm-eval does not take", value=word, mend=mend)
    _only_process()
    language_model()
    from lm_eval.__main__ import cli_evaluate

    words = list(arguments)
    command = words.pop(0) if words and not words[0].startswith("-") else "run"
    added = ["--include_path", str(include_path())]
    if command == "run" and data_dirs:
        added += ["--metadata", json.dumps({"data_dirs": dict(data_dirs)})]
    before = sys.argv
    sys.argv = ["lm-eval", command, *words, *added]
    try:
        cli_evaluate()
    finally:
        sys.argv = before


@functools.cache
def language_model() -> type[Any]:
    """lm-eval's model `cpbench`, registered: `--model cpbench --model_args spec=demo,dtype=float32`.

    Arguments besides `spec`, `third_party_ok` and `hearing_check` are the options of the model that the spec names.
    """
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model
    from lm_eval.utils import simple_parse_args_string

    @register_model("cpbench")
    class CpbenchLM(LM):  # type: ignore[misc]
        MULTIMODAL = True

        def __init__(self, asked: Asked) -> None:
            super().__init__()
            self.asked = asked

        @classmethod
        def create_from_arg_obj(
            cls, arg_dict: Mapping[str, Any], additional_config: Mapping[str, Any] | None = None
        ) -> CpbenchLM:
            return cls(_asked(arg_dict, additional_config or {}))

        @classmethod
        def create_from_arg_string(
            cls, arg_string: str, additional_config: Mapping[str, Any] | None = None
        ) -> CpbenchLM:
            return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
            return answers(requests, self.asked)

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            raise UserError(f"{requests[0].task_name} asks for likelihoods, and a cpbench model gives answers only")

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            raise UserError(f"{requests[0].task_name} asks for likelihoods, and a cpbench model gives answers only")

    return CpbenchLM


@dataclasses.dataclass(frozen=True)
class Asked:
    """A model, and how it is to be asked."""

    model: Model
    third_party_ok: bool = False
    hearing_check: bool = True


def answers(instances: Sequence[Any], asked: Asked) -> list[str]:
    """One answer an lm-eval instance, in their order: worded, heard and generated as `cpbench run` does.

    lm-eval has no place for an answer that could not be made, and would score an empty one: so the first failure raises
    UserError, as `cpbench run --strict` does.
    """
    items = [_item(instance) for instance in instances]
    known = {card.name: card.task() for card in list_tasks()}
    tasks = [known.get(name, Task(name, "", "", ())) for name in dict.fromkeys(item.task for item in items)]
    card, flag = asked.model.card, "--model_args third_party_ok=true"
    check_rights(card.name, tasks, third_party=card.third_party, ok=asked.third_party_ok, flag=flag)
    requests = _numbered([_request(item, one, asked.model) for item, one in zip(items, instances, strict=True)])
    if asked.hearing_check:
        _check_hearing(asked.model, requests)
    if (study := getattr(asked.model, "study", None)) is not None:
        study(items)
    found = {one.key: one.answer for one in predict(requests, asked.model, strict=True)}
    return [found[request.key] for request in requests]


def _asked(given: Mapping[str, Any], from_lm_eval: Mapping[str, Any]) -> Asked:
    """The model of `--model_args`; what lm-eval adds of its own counts only where it is not its default."""
    if "spec" not in given:
        raise UsageError("--model cpbench needs a model's spec", mend="--model_args spec=demo")
    added = {key: value for key, value in from_lm_eval.items() if value is not None and value != DEFAULTS.get(key)}
    options = {key: str(value) for key, value in {**added, **given}.items() if key not in OWN_OPTIONS}
    return Asked(
        load_model(str(given["spec"]), options),
        third_party_ok=_flag(given, "third_party_ok", False),
        hearing_check=_flag(given, "hearing_check", True),
    )


def _flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = str(given.get(name, default)).lower()
    if value not in ("true", "false"):
        raise UsageError(f"--model_args {name}= takes", value=value, allowed=("true", "false"))
    return value == "true"


def _item(instance: Any) -> Item:
    """The item behind an instance, its text the one that lm-eval made of it."""
    text, _, *media = instance.args
    if is_document(instance.doc):
        return dataclasses.replace(item_of(instance.doc), prompt=text)
    if not media or not media[0].get("audio"):
        raise UserError(
            "the lm-eval task cannot be run by a cpbench model, as it has no audio:", value=instance.task_name
        )
    heard = media[0]["audio"]
    clips = [clip_heard(instance.task_name, one) for one in (heard if isinstance(heard, list | tuple) else [heard])]
    return Item(str(instance.doc_id), instance.task_name, tuple(clips), text, ())


def _request(item: Item, instance: Any, model: Model) -> Request:
    """The item as the model's own condition words it."""
    setting = Setting(0, model.card.tag_template, trained_on=model.card.trained_on)
    worded = present([item], model.card.condition, setting, generation_of(instance.args[1] or {}))
    if not worded:
        raise UserError(f"{item.task}/{item.id} cannot be asked under the condition", value=model.card.condition)
    return worded[0]


def _numbered(requests: Sequence[Request]) -> list[Request]:
    """Repeats of one question (lm-eval's `repeats`) each with a key and a seed of its own."""
    seen: Counter[str] = Counter()
    numbered = []
    for request in requests:
        if (times := seen[request.key]) == 0:
            numbered.append(request)
        else:
            generation = dataclasses.replace(request.generation, seed=times)
            numbered.append(dataclasses.replace(request, item_id=f"{request.item_id}#{times}", generation=generation))
        seen[request.key] += 1
    return numbered


def _check_hearing(model: Model, requests: Sequence[Request]) -> None:
    check = check_hearing(model, hearing_turns(requests, model))
    print(f"hearing check: {check.outcome} ({check.reason})", file=sys.stderr)
    if check.outcome == "deaf":
        raise UserError(
            f"the audio does not reach {model.card.name}: {check.reason}",
            mend="mend the model; or --model_args hearing_check=false",
        )


def _only_process() -> None:
    """Several processes would each ask everything: sharing the work is for `cpbench run`."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("cpbench lm-eval runs in one process", mend="torchrun -m cpbench run ...")
