"""From a spec to a model; see the door, `cpbench.models`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

from cpbench import parts
from cpbench.errors import UsageError, UserError, nearest
from cpbench.parts import Model
from cpbench.records import ModelCard

FORMS = (
    "demo",
    "PATH of a checkpoint",
    "ORG/NAME on the Hub",
    "hf/ID",
    "openai/NAME",
    "cascade",
    "FILE.py:CLASS",
    "command:PROGRAM",
    "answers:FILE",
    "echo",
    "empty",
    "majority",
    "all-labels",
)
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_model(spec: str, options: Mapping[str, str] | None = None) -> Model:
    """The model that `spec` names, with its options; see the door's docstring for what a spec can be."""
    options = dict(options or {})
    part, argument = _resolve(spec)
    if argument is not None:
        name = _argument_field(part, spec)
        if name in options:
            raise UsageError(
                f"{spec} already says what {name} is; there is an option too", value=f"{name}={options[name]}"
            )
        options[name] = argument
    model = parts.build(part, options)
    if not callable(getattr(model, "answer", None)):
        raise UserError(f"{spec} has no method answer(turns)", mend="cpbench run --help, or the README's ten lines")
    return _with_card(cast(Model, model))


def _resolve(spec: str) -> tuple[Any, str | None]:
    """The part and its argument, if the spec gives it one."""
    name, separator, rest = _split(spec)
    if name == "demo" and not separator:
        return _local(), str(resources.files("cpbench") / "checkpoints" / "demo")
    if name == "hf" and separator:
        path = _given(rest, "hf/ID")
        return _local(), path
    if {name, name.replace("-", "_")} & set(_names()):
        return parts.find("models", name), _given(rest, f"{name}{separator}...") if separator else None
    if re.search(r"\.py(:|$)", spec):
        return parts.find("models", spec), None
    path = _checkpoint(spec)
    return _local(), path


def _split(spec: str) -> tuple[str, str, str]:
    """`openai/NAME` and `command:PROGRAM`: what stands before, at and after the first "/" or ":"."""
    found = re.match(r"([\w-]+)([/:])(.*)", spec, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (spec, "", "")


def _given(argument: str, form: str) -> str:
    if not argument.strip():
        raise UsageError("a model spec that ends too early; it should be", value=form)
    return argument


def _names() -> list[str]:
    """The parts of this wing by name, without the one behind paths and Hub ids."""
    return [name for name in parts.names("models") if name != "local"]


def _local() -> Any:
    from cpbench.models.local import LocalModel

    return LocalModel


def _checkpoint(spec: str) -> str:
    """The folder or the Hub id, or a UsageError that says which of them it was taken for."""
    path = Path(spec).expanduser()
    if spec and path.is_dir():
        return str(path)
    if path.is_file():
        mend = f"answers:{spec}" if path.suffix == ".jsonl" else "the checkpoint's folder"
        raise UsageError("a model is a folder, and this is a file:", value=spec, mend=mend)
    hub = HUB_ID.fullmatch(spec) is not None and not spec.startswith((".", "~"))
    if hub and not path.parent.is_dir():
        return spec
    if "/" in spec or spec.startswith((".", "~")):
        raise UsageError(
            "no such checkpoint folder", value=spec, mend=f"hf/{spec}, if it is on the Hub" if hub else None
        )
    words = [*_names(), "demo"]
    near = nearest(spec, [word.replace("_", "-") for word in words])
    hint = f" (did you mean {near!r}?)" if near else ""
    raise UsageError(f"unknown model {spec!r}{hint}", allowed=FORMS, mend=f"hf/{spec}, if it is on the Hub")


def _argument_field(part: Any, spec: str) -> str:
    """The part's first option: the one that its spec may carry after "/" or ":"."""
    fields = [field.name for field in dataclasses.fields(part) if field.init] if dataclasses.is_dataclass(part) else []
    if not fields:
        raise UsageError("this model takes nothing after its name:", value=spec, mend=_split(spec)[0])
    return fields[0]


def _with_card(model: Model) -> Model:
    """A user's class may leave its card out: it then hears one clip at 16 kHz and is called like its class."""
    if not hasattr(model, "card"):
        name = type(model).__name__
        object.__setattr__(model, "card", ModelCard(name=name, family=name.lower()))
    return model
