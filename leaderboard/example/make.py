"""Makes the example board again, by the commands that docs/leaderboard.md names, one by one.

    python -m cpbench.leaderboard.example.make --out leaderboard/example [NAME=RUN ...]

NAME=RUN adds runs of `--tasks demo` that are there already (of a longer training, say). The null baselines, the
packaged checkpoint and the cascade are run here. The judge is simulated, and called so: no LLM judges anything.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TITLE = "An example: the packaged demo"
ABOUT = (
    "Synthetic speech, models of a few million parameters, and a simulated judge: this board shows what a board looks "
    "like, and nothing about any model. The cascade reads the clips' own transcripts: what a perfect recogniser "
    "would hear."
)
JUDGE = "simulated:oracle"
FIRST = 1_767_225_600  # 2026-01-01: the board's clock; a minute passes with every command
CONDITIONS = ("audio", "silence")


@dataclass(frozen=True)
class System:
    """A row of the board to be."""

    name: str
    model: tuple[str, ...]  # flags of cpbench run
    conditions: tuple[str, ...] = ()


def systems(place: Path) -> list[System]:
    """What is run here."""
    ear = str(Path(__file__).with_name("ear.py"))
    shutil.copyfile(ear, place / "ear.py")  # named without a path, since the board keeps what the run says of itself
    nulls = [System(name, ("--model", name)) for name in ("echo", "empty", "majority", "all-labels")]
    cascade = ("--model", "cascade", "-M", "asr=ear.py:Transcripts", "-M", "llm=demo")
    return [
        *nulls,
        System("cpbench demo", ("--model", "demo"), CONDITIONS),
        System("transcripts, then cpbench demo", cascade),
    ]


@dataclass
class Commands:
    """Runs cpbench's commands in one folder, and shows each."""

    place: Path
    clock: int = FIRST

    def __call__(self, *words: str) -> None:
        """Run one. Raises subprocess.CalledProcessError where it fails."""
        print("$ cpbench", shlex.join(words), flush=True)
        self.clock += 60
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(self.clock)}
        subprocess.run([sys.executable, "-m", "cpbench", *words], cwd=self.place, env=environment, check=True)


def make(out: Path, runs: Mapping[str, Path], place: Path) -> None:
    """Make `board/` and `site/` in `out`, from what is run in `place` and from these runs."""
    for part in ("board", "site", "submissions"):
        shutil.rmtree(place / part, ignore_errors=True)
    do = Commands(place)
    do("leaderboard", "init", "--board", "board", "--title", TITLE, "--about", ABOUT, "--tasks", "demo")
    for name, run in [*_run(do, systems(place)), *_judged(do, runs)]:
        words = ("--name", name, "--trained-on-eval", "no", "--organisation", "cpbench")
        parts = {"demo_emotion": JUDGE, "demo_cpqa": "none"}
        for task, judge in parts.items():
            folder = f"submissions/{_slug(name)}-{task}"
            do("leaderboard", "submit", str(run), "--out", folder, "--task", task, "--judge", judge, *words)
            do("leaderboard", "add", f"{folder}/{task}", "--board", "board", "--by", "cpbench")
    do("leaderboard", "build", "--board", "board", "--out", "site")
    for part in ("board", "site"):
        shutil.rmtree(out / part, ignore_errors=True)
        shutil.copytree(place / part, out / part)


def _run(do: Commands, asked: list[System]) -> Iterator[tuple[str, Path]]:
    for system in asked:
        out = f"runs/{_slug(system.name)}"
        conditions = [word for name in system.conditions for word in ("--condition", name)]
        do("run", *system.model, "--tasks", "demo", "--judge", JUDGE, *conditions, "--out", out)
        yield system.name, Path(out)


def _judged(do: Commands, runs: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Copies of runs that are there already, judged as the others are."""
    for name, run in runs.items():
        copy = Path("runs") / _slug(name)
        shutil.copytree(run, do.place / copy, dirs_exist_ok=True)
        do("judge", "run", str(copy), "--judge", JUDGE)
        yield name, copy


def _slug(name: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in name.lower())


def _named(word: str) -> tuple[str, Path]:
    name, equals, run = word.partition("=")
    if not equals or not Path(run).is_dir():
        raise argparse.ArgumentTypeError(f"NAME=RUN, with a run's folder, and not {word}")
    return name, Path(run).resolve()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cpbench.leaderboard.example.make", description=__doc__)
    parser.add_argument("runs", nargs="*", type=_named, metavar="NAME=RUN")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where to run; what was answered there is not asked again")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        kept = Path(place) if flags.work is None else flags.work.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        make(flags.out.resolve(), dict(flags.runs), kept)


if __name__ == "__main__":
    main()
