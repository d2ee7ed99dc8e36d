"""cpbench: does a Speech-LLM understand what is said together with how it is said?

    import cpbench

    run = cpbench.run("demo", limit=20)
    run.score("accuracy", task="demo_emotion")
    cpbench.load_run("runs/demo-...").to_pandas()
    cpbench.compare([run, "runs/another"])

See docs/python.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpbench.notebook import OpenRun, compare, load_run, run

__version__ = "0.1.0"
__all__ = ["OpenRun", "__version__", "compare", "load_run", "run"]


def __getattr__(name: str) -> Any:
    """What a notebook calls is imported when it is first asked for: `import cpbench` stays light."""
    if name in __all__:
        return getattr(importlib.import_module("cpbench.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
