"""cpbench tasks"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from cpbench.tasks import Card, Contents, Description


@click.command(name="tasks")
@click.argument("name", required=False)
@click.option("--data-dir", "data_dirs", multiple=True, metavar="[TASK=]DIR", help="Where a task's data lie.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(name: str | None, data_dirs: tuple[str, ...], as_json: bool) -> None:
    """List the tasks, or show one task (or the tasks of one group) and what its data hold.

    \b
      cpbench tasks
      cpbench tasks demo
      cpbench tasks emotion_emodb --data-dir DIR --json
    """
    from cpbench.cli.settings import pairs
    from cpbench.tasks import describe, expanded

    dirs = pairs(data_dirs, "--data-dir", bare=True)
    if name is None:
        _list(dirs, as_json)
        return
    found = [describe(one, dirs) for one in expanded([name])]
    if as_json:
        _print_json(_as_json(found[0]) if len(found) == 1 else {"tasks": [_as_json(one) for one in found]})
        return
    for one in found:
        _show(one)


def _list(dirs: Mapping[str, str], as_json: bool) -> None:
    from rich.table import Table

    from cpbench.tasks import data_state, list_tasks

    rows = [(card, data_state(card, dirs)) for card in list_tasks()]
    if as_json:
        _print_json({"tasks": [{**_words(card), "data": {"state": state.state}} for card, state in rows]})
        return
    table = Table("task", "group", "what", "type", "data", "license")
    for card, state in rows:
        table.add_row(card.name, card.group or "", card.title, card.type or "", state.state, card.license)
    _console().print(table)
    _console().print("cpbench tasks NAME shows one; cpbench data fetch NAME brings what lies on the Hub.", style="dim")


def _show(found: Description) -> None:
    """One task in lines: what it is, whose it is, where its data are, what they hold."""
    card, state = found.card, found.data
    lines = {
        "version": card.version,
        "asks": card.asked or "the set's own questions",
        "metrics": ", ".join(card.metrics),
        "recording": card.recording,
        "license": card.license,
        "rights": _rights(card),
        "citation": card.citation,
        "home": card.home or (f"https://huggingface.co/datasets/{card.repo}" if card.repo else ""),
        "revision": card.revision or "",
        "data": " ".join(filter(None, (state.state, str(state.folder or ""), state.revision or ""))),
        "layout": card.layout,
    }
    console = _console()
    console.print(f"{card.name}: {card.title}", style="bold", markup=False)
    _print_lines(console, lines)
    if found.contents is not None:
        _print_lines(console, _held(found.contents))
    console.print()


def _held(contents: Contents) -> dict[str, str]:
    difference = contents.smallest_detectable_difference
    between = " to ".join(f"{100 * value:.1f}" for value in difference.values())
    return {
        "items": f"{contents.items} on {contents.clips} clips of {contents.recordings} recordings",
        "types": f"{_counted(contents.types)} (from: {contents.types_from})",
        "labels": _counted(contents.labels) if len(contents.labels) <= 20 else f"{len(contents.labels)} different ones",
        "fingerprint": contents.fingerprint,
        "can show": f"about {between} points between two systems, if all items are independent, or if those of a "
        "recording are alike: for planning; the real number takes two runs (cpbench compare)",
    }


def _rights(card: Card) -> str:
    allowed = {
        "audio in reports": card.audio_in_report,
        "text in reports": card.text_in_report,
        "third-party APIs": card.third_party_api,
    }
    return ", ".join(f"{what}: {'yes' if yes else 'no'}" for what, yes in allowed.items())


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'unknown'} {count}" for name, count in counts.items())


def _as_json(found: Description) -> dict[str, Any]:
    import dataclasses

    state = found.data
    return {
        **_words(found.card),
        "data": {
            "state": state.state,
            "folder": None if state.folder is None else str(state.folder),
            "revision": state.revision,
        },
        "contents": None if found.contents is None else dataclasses.asdict(found.contents),
    }


def _words(card: Card) -> dict[str, Any]:
    """What the YAML says, without its own path; rights apart, as everywhere."""
    import dataclasses

    words = {key: value for key, value in dataclasses.asdict(card).items() if key != "yaml"}
    rights = dataclasses.asdict(card.rights)
    return {key: value for key, value in words.items() if key not in rights} | {"rights": rights}


def _print_lines(console: Console, lines: Mapping[str, str]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for key, value in _filled(lines.items()):
        table.add_row(f"  {key}", value)
    console.print(table, markup=False)


def _filled(lines: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return (line for line in lines if line[1])


def _print_json(value: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=140)
