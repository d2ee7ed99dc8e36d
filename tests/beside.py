"""Modules that lie beside the tests and are no tests; pytest's importlib mode puts no test folder on the path.

This one is found by pytest's `pythonpath` (pyproject.toml): `from beside import module_at`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent


def module_at(path: Path) -> ModuleType:
    """The module of that file, loaded once a process."""
    path = path.resolve()
    name = ".".join(path.with_suffix("").relative_to(TESTS.parent).parts)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # its dataclasses look there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
