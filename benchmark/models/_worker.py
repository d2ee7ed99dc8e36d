"""The start of a `command:` model: one file of the standard library's Python."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from cpbench.errors import UsageError


def write_worker(file: Path) -> Path:
    """Write a worker to `file`, executable, for its owner to fill in. Raises UsageError where a file stands there."""
    name = re.sub(r"[^\w.-]", "-", file.stem)
    text = (resources.files("cpbench") / "models" / "worker.py.txt").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text.replace("{file}", str(file)).replace("{name}", name))
        file.chmod(0o755)
    except FileExistsError:
        raise UsageError("this file exists, and is not overwritten:", value=str(file), mend="another name") from None
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror}):", value=str(file)) from None
    return file
