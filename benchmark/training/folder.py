"""A training's folder: whose it is, what is under way in it, whether it is finished.

OUT/training.yaml    the resolved configuration and its data; another one in the same folder is refused
    work/            checkpoints of the stages, while they train
    cache/           a frozen encoder's outputs, while it trains
    ...              the checkpoint, its README.md, and checkpoint.json last
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cpbench.errors import UserError
from cpbench.fingerprint import dataset_fingerprint
from cpbench.flow.ledger import write_whole
from cpbench.records import Item
from cpbench.training.config import FREE, TrainConfig

SETTINGS = "training.yaml"
FINISHED = "checkpoint.json"
MODEL = ("config.json", "adapter_config.json", FINISHED)


@dataclass(frozen=True)
class Folder:
    path: Path
    finished: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Write whose folder it is, once there is something to train."""
        write_whole(
            self.path / SETTINGS, yaml.safe_dump(dict(self.settings), sort_keys=False, allow_unicode=True).encode()
        )

    def stage(self, place: int, name: str) -> Path:
        """The folder of a stage's checkpoints."""
        return self.path / "work" / f"{place + 1}-{''.join(sign if sign.isalnum() else '-' for sign in name)}"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def clear(self) -> None:
        """Remove what was only needed while it trained."""
        for name in ("work", "cache"):
            shutil.rmtree(self.path / name, ignore_errors=True)


def claim(config: TrainConfig, items: Sequence[Item]) -> Folder:
    """The training's folder, new or found again; nothing is written yet.

    Raises UserError for a folder that holds another training, or a model that this command did not train.
    """
    path = Path(config.out)
    settings = identity(config, items)
    kept = _kept(path / SETTINGS)
    if kept is None:
        if held := next((name for name in MODEL if (path / name).is_file()), None):
            raise UserError(
                f"{path} holds a model already ({held})", mend="another --out; or --overwrite, to lose that model"
            )
    elif other := sorted(key for key in {*kept, *settings} if kept.get(key) != settings.get(key)):
        was, now = kept.get(other[0]), settings.get(other[0])
        raise UserError(
            f"{path} holds another training: its {other[0]} was {_short(was)}, and is now {_short(now)}",
            mend="another --out; or --overwrite, to begin anew",
        )
    return Folder(path, kept is not None and (path / FINISHED).is_file(), settings)


def give_up(path: Path) -> None:
    """Forget the training that a folder holds; its model stays until another one takes its place."""
    Folder(path).clear()
    for name in (SETTINGS, *MODEL):
        (path / name).unlink(missing_ok=True)


def identity(config: TrainConfig, items: Sequence[Item]) -> dict[str, Any]:
    """What makes a training the same training: plain values, no paths of data, but their content."""
    settings = json.loads(json.dumps(dataclasses.asdict(config), default=list))
    settings = {key: value for key, value in settings.items() if key not in FREE}
    settings["data"] = [file_sha256(path) for path in config.data]
    settings["evaluation"] |= {"data": [file_sha256(path) for path in config.evaluation.data]}
    return {**settings, "items": dataset_fingerprint(items)}


def described(config: TrainConfig, items: Sequence[Item], synthetic: Sequence[str]) -> list[dict[str, Any]]:
    """Each data file by name and content, for `checkpoint.json`."""
    tasks = [item.task for item in items]
    return [
        {
            "name": "synthetic" if path in synthetic else Path(path).name,
            "sha256": file_sha256(path),
            "items": tasks.count(Path(path).stem),
            "synthetic": path in synthetic or _says_synthetic(Path(path)),
        }
        for path in config.data
    ]


def file_sha256(path: str) -> str:
    """The sha256 of a data file's bytes; of a folder, of its files' names and bytes."""
    where = Path(path)
    files = sorted(where.rglob("*")) if where.is_dir() else [where]
    hashed = hashlib.sha256()
    for file in files:
        if file.is_file():
            if where.is_dir():
                hashed.update(str(file.relative_to(where)).encode())
            with file.open("rb") as opened:
                while block := opened.read(2**20):
                    hashed.update(block)
    return hashed.hexdigest()


def _says_synthetic(path: Path) -> bool:
    """Whether a folder of data says that it was spoken by a program: a datasheet, or the corpus's own README."""
    for name in ("README.md", "datasheet.md", "SYNTHETIC"):
        beside = path.parent / name
        if beside.is_file() and "synthetic" in beside.read_text(encoding="utf-8", errors="replace")[:2000].lower():
            return True
    return False


def _kept(path: Path) -> Mapping[str, Any] | None:
    try:
        kept = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}", mend="another --out; or --overwrite") from None
    return kept if isinstance(kept, dict) else {}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
