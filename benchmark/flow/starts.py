"""The start of a foreign program: one file of the standard library's Python, for its owner to fill in."""

from __future__ import annotations

import re
from pathlib import Path

from cpbench.errors import UsageError


def write_start(file: Path, template: str) -> Path:
    """Write a template to `file`, executable, with its own name in the places of {file} and {name}.

    Raises UsageError where a file stands there, or none can be written.
    """
    name = re.sub(r"[^\w.-]", "-", file.stem)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(template.replace("{file}", str(file)).replace("{name}", name))
        file.chmod(0o755)
    except FileExistsError:
        raise UsageError("this file exists, and is not overwritten:", value=str(file), mend="another name") from None
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror}):", value=str(file)) from None
    return file
