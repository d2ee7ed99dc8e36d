"""cpbench leaderboard init"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cpbench.leaderboard.datasets import DatasetCard


@click.command(name="init")
@click.option("--board", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The board's folder.")
@click.option("--title", metavar="TEXT", help="What it is called. Default: its folder's name.")
@click.option("--about", default="", metavar="TEXT", help="A sentence or two under its title.")
@click.option("--tasks", metavar="A,B", help="Sets that it shall know: tasks, groups or items.jsonl files.")
@click.option("--data-dir", "data_dirs", multiple=True, metavar="[TASK=]DIR", help="Where their data lie.")
@click.option("--run", "folder", type=click.Path(path_type=Path), metavar="RUN", help="Sets as a whole run asked them.")
def command(
    *, board: Path, title: str | None, about: str, tasks: str | None, data_dirs: tuple[str, ...], folder: Path | None
) -> None:
    """Begin a board in a new folder, or make further sets known to a board that is there.

    A board knows of a set what it takes to score again without audio: ids, types, recordings, labels, digests of the
    references; and no text where the set's rights forbid it.

    \b
      cpbench leaderboard init --board board --title "Voices of our lab" --tasks cpqa --data-dir /data/cpqa
      cpbench leaderboard init --board board --run runs/my-run
    """
    from cpbench.cli.settings import pairs
    from cpbench.errors import UsageError
    from cpbench.leaderboard.board import add_datasets, init_board, open_board

    cards = [*_of_tasks(tasks, pairs(data_dirs, "--data-dir", bare=True)), *(_of_run(folder) if folder else [])]
    there = (board / "board.yaml").is_file()
    if there and (title or about):
        raise UsageError("this board has a title already:", value=str(board), mend=f"edit {board / 'board.yaml'}")
    made = open_board(board) if there else init_board(board, title=title or board.resolve().name, about=about)
    new = add_datasets(made, cards)
    click.echo(f"{board} {'is there' if there else 'is made'}: {len(new)} new sets of {len(cards)}")
    for card in cards:
        texts = "with its texts" if card.has_texts else f"without texts (license: {card.task.rights.license})"
        click.echo(f"  {card.task.name}: {len(card.items)} items of {card.recordings} recordings, {texts}")


def _of_tasks(names: str | None, data_dirs: dict[str, str]) -> Sequence[DatasetCard]:
    from cpbench.leaderboard.datasets import describe
    from cpbench.tasks import load_tasks

    if not names:
        return []
    return [describe(task, items) for task, items in load_tasks(names.split(","), data_dirs=data_dirs)]


def _of_run(folder: Path) -> Sequence[DatasetCard]:
    from cpbench.errors import UserError
    from cpbench.leaderboard.datasets import describe
    from cpbench.runfolder import load_run

    run = load_run(folder)
    if run.config.limit is not None:
        raise UserError("this run was asked a part of its sets:", value=str(folder), mend="a run without --limit")
    return [describe(task, items) for task, items in run.loaded]
