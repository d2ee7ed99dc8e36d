"""The house: who may import whom, what is opened in one room only, how long things may be, what the wheel holds."""

import ast
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "benchmark": "cpbench",
    "judges": "cpbench.judges",
    "tasks": "cpbench.tasks",
    "leaderboard": "cpbench.leaderboard",
}

# Longest name first: "judges.validity" stands on another storey than "judges".
STOREYS = {
    1: ["records", "parts", "errors", "labels", "lexicon", "reasoning", "fingerprint"],
    2: ["flow", "audio", "chat", "stats", "pages", "speechlm"],
    3: ["formats", "conditions", "annotators", "models", "judges", "metrics", "exports"],
    4: ["tasks", "engine", "runfolder", "results"],
    5: ["evaluate", "report", "comparison", "judges.validity", "data", "training", "leaderboard"],
    6: ["cli", "doctor", "lm_eval_bridge", "miniature", "notebook", "__main__", ""],  # "": the package itself
}
STOREY = {room: storey for storey, rooms in STOREYS.items() for room in rooms}
SIDEWAYS = {  # and cli to the other doors
    ("chat", "flow"),
    ("models", "annotators"),
    ("report", "comparison"),
    ("evaluate", "comparison"),
    ("", "notebook"),  # what `import cpbench` offers, when it is first asked for
    ("exports", "metrics"),  # which way is better, and the bounds
}
DOORS = set(STOREYS[6])
HEAVY = ["torch", "transformers", "datasets", "lm_eval", "openai", "anthropic", "matplotlib", "numpy", "pydantic"]
ONLY_IN = {  # a library, and the rooms that may import it
    "soundfile": {"audio", "data"},
    "soxr": {"audio", "data"},
    "openai": {"chat"},
    "anthropic": {"chat"},
    "lm_eval": {"tasks", "lm_eval_bridge"},
}
LONG = {"function": 60, "file": 400, "parameters": 6}
EXCEPTIONS: set[str] = {  # "path:function" or "path"
    "benchmark/records.py",  # every record that flows, on one page: it is to be read whole
    "benchmark/notebook.py:run",  # the flags of `cpbench run`, each by name: what a notebook completes and shows
    "benchmark/speechlm/features.py:__call__",  # these two signatures are transformers' own: what is not named there
    "benchmark/speechlm/processor.py:__init__",  # is neither passed on nor saved by the library
    "benchmark/training/attention.py:attend",  # as is this one: what every attention of the library takes
    "benchmark/speechlm/modeling.py:forward",  # and `generate` makes position_ids for a forward that names them
}


@dataclass(frozen=True)
class Source:
    path: Path
    module: str
    tree: ast.Module
    lines: int

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def room(self) -> str:
        return room_of(self.module)


def room_of(module: str) -> str:
    """The longest room that a module of cpbench lies in."""
    inside = module.removeprefix("cpbench").removeprefix(".")
    rooms = [room for room in STOREY if room and (inside == room or inside.startswith(room + "."))]
    return max(rooms, key=len, default="" if not inside else f"? {inside}")


def sources() -> list[Source]:
    found = []
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [part for part in path.relative_to(ROOT / folder).with_suffix("").parts if part != "__init__"]
            text = path.read_text(encoding="utf-8")
            found.append(Source(path, ".".join([package, *parts]), ast.parse(text), len(text.splitlines())))
    return found


SOURCES = sources()
MODULES = {source.module for source in SOURCES}


def imports(source: Source) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, wherever in the file: (full name, line)."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = source.module.split(".")
                above = above if source.path.name == "__init__.py" else above[:-1]
                base = ".".join([*above[: len(above) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield (full if full in MODULES else base), node.lineno


def test_every_module_stands_on_a_storey():
    assert sorted(source.name for source in SOURCES if source.room.startswith("?")) == []


def test_imports_go_down_or_stay_in_their_room():
    wrong = []
    for source in SOURCES:
        for module, line in imports(source):
            if module.split(".")[0] != "cpbench" or source.room == room_of(module):
                continue
            here, there = source.room, room_of(module)
            down = STOREY.get(there, 9) < STOREY.get(here, 0)
            words = STOREY.get(there) == STOREY.get(here) == 1
            doors = (here == "cli" and there in DOORS) or here == "__main__"
            if not (down or words or doors or (here, there) in SIDEWAYS):
                wrong.append(f"{source.name}:{line}: {here or 'cpbench'} imports {there or 'cpbench'}")
    assert wrong == []


def test_the_words_import_each_other_without_a_circle():
    arrows = {
        source.module: {module for module, _ in imports(source) if module in MODULES}
        for source in SOURCES
        if STOREY.get(source.room) == 1
    }
    while free := [module for module, needs in arrows.items() if not needs & arrows.keys()]:
        for module in free:
            del arrows[module]
    assert arrows == {}


def test_nothing_imports_the_cli():
    outside = [source for source in SOURCES if source.room not in ("cli", "__main__")]
    assert [s.name for s in outside if any(room_of(m) == "cli" for m, _ in imports(s) if m.startswith("cpbench"))] == []


def test_a_part_does_not_import_its_door():
    """In storey 3 the folder's __init__ loads the parts by name; a part that imported it would close a circle."""
    doors = {f"cpbench.{room}" for room in STOREYS[3]}
    wrong = [
        f"{source.name}:{line}"
        for source in SOURCES
        for module, line in imports(source)
        if module in doors and source.module != module and source.module.rpartition(".")[0] == module
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_in_its_rooms(library):
    wrong = [
        f"{source.name}:{line}"
        for source in SOURCES
        for module, line in imports(source)
        if module.split(".")[0] == library and source.room not in ONLY_IN[library]
    ]
    assert wrong == []


def writes_jsonl(tree: ast.Module) -> Iterator[int]:
    """Lines that open a file to write or append and, in the same function, put JSON into it."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        dumps = any(isinstance(c.func, ast.Attribute) and c.func.attr == "dumps" for c in calls)
        for call in calls:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            modes = [a.value for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Constant)]
            if dumps and name == "open" and any(str(mode) in ("w", "a", "wb", "ab", "x", "xb") for mode in modes):
                yield call.lineno


def test_only_the_ledger_writes_jsonl():
    """A training or data file in another program's layout (formats) is not a ledger."""
    allowed = {  # the latter two: whole files in the layouts of users and of other programs
        "benchmark/flow/ledger.py",
        "benchmark/formats/items.py",
        "benchmark/formats/_files.py",
    }
    wrong = [f"{s.name}:{line}" for s in SOURCES if s.name not in allowed for line in writes_jsonl(s.tree)]
    assert wrong == []


def test_functions_and_files_are_short():
    wrong = []
    for source in SOURCES:
        if source.lines > LONG["file"] and source.name not in EXCEPTIONS:
            wrong.append(f"{source.name}: {source.lines} lines")
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if f"{source.name}:{node.name}" in EXCEPTIONS:
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([argument for argument in taken if argument.arg not in ("self", "cls")])
            if length > LONG["function"]:
                wrong.append(f"{source.name}:{node.lineno} {node.name}: {length} lines")
            if count > LONG["parameters"]:
                wrong.append(f"{source.name}:{node.lineno} {node.name}: {count} parameters")
    assert wrong == []


def test_the_command_line_loads_nothing_heavy():
    code = f"import json, sys, cpbench.cli; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "tests")
    assert json.loads(done.stdout) == []


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_wheel_holds_the_tree_and_nothing_else(tmp_path):
    """Built from a copy of the tracked files, so that neither an old build/ nor an untracked file gets in."""
    names = tracked()
    for name in names:
        if name.split("/")[0] in PACKAGES or "/" not in name:
            (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "tree" / name)
    (tmp_path / "tree" / "README.md").touch()
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [*build, "--no-index", "-q", "-w", str(tmp_path), str(tmp_path / "tree")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        "/".join([*PACKAGES[name.split("/")[0]].split("."), *name.split("/")[1:]])
        for name in names
        if name.split("/")[0] in PACKAGES
    }
    assert sorted(wanted - held) == []
    assert sorted(held - wanted) == []
