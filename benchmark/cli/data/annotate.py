"""`cpbench data annotate`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cpbench.data.annotate import Annotated


@click.command(name="annotate")
@click.argument("data", metavar="DATA|DIR|TASK")
@click.option(
    "--annotator",
    "annotators",
    multiple=True,
    metavar="SPEC",
    help="gold, acoustic, classifier/PATH, audeering/PATH, command:PROGRAM, FILE.py:CLASS; repeatable.",
)
@click.option("--asr", metavar="SPEC", help="A speech recogniser, for the clips that have no transcript.")
@click.option(
    "-A",
    "options",
    multiple=True,
    metavar="[N.]KEY=VALUE",
    help="An option: of the Nth annotator (or asr.KEY of the recogniser), else of all that have it.",
)
@click.option("--out", required=True, type=click.Path(), metavar="FILE", help="The clips.jsonl to write.")
@click.option("--data-dir", "data_dirs", multiple=True, metavar="[TASK=]DIR", help="Where a task's data lie.")
@click.option(
    "--speaker", metavar="REGEX", help=r"Where speakers are not known: the group found in a file's path, as (\d\d)[ab]."
)
@click.option(
    "--strict", is_flag=True, help="Stop at the first clip that cannot be decoded, instead of leaving it out."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def command(*, data: str, as_json: bool, **flags: Any) -> None:
    """Say how the voice of each clip sounds, and when, and write it to a clips.jsonl.

    DATA is an items.jsonl, a clips.jsonl, a folder of audio files, or a task. The same command again goes on where it
    was stopped: what each annotator said is kept in FILE's folder of annotations.

    \b
      cpbench data annotate emotion_emodb --data-dir DIR --annotator gold --annotator acoustic --out clips.jsonl
      cpbench data annotate recordings/ --annotator classifier/MODEL -A window=2 --asr openai/whisper-large-v3
          --out clips.jsonl
    """
    import json
    from pathlib import Path

    from cpbench.cli.progress import Bar
    from cpbench.cli.settings import pairs
    from cpbench.data.annotate import Job, annotate, wanted
    from cpbench.data.annotate import as_json as to_json
    from cpbench.flow.stopping import stop_on_signals
    from cpbench.flow.watch import Watching

    job = Job(
        data,
        wanted(flags["annotators"], flags["asr"], pairs(flags["options"], "-A")),
        Path(flags["out"]),
        pairs(flags["data_dirs"], "--data-dir", bare=True),
        flags["speaker"],
        flags["strict"],
    )
    with Bar() as bar, stop_on_signals() as stop:
        result = annotate(job, Watching(bar, stop.is_set))
    if as_json:
        click.echo(json.dumps(to_json(result), indent=2, ensure_ascii=False))
    else:
        _show(result)


def _show(result: Annotated) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(
        Column("annotator", overflow="fold"), "new", "clips", "tags", "transcripts", "nothing to say", "failed"
    )
    for one in result.said:
        counts = (one.new, one.clips, one.tags, one.transcripts, one.silent, one.failed)
        table.add_row(one.name, *map(str, counts))
    Console(soft_wrap=True).print(table)
    left_out = f"; {result.bad} left out, since they cannot be decoded" if result.bad else ""
    click.echo(f"{result.path}: {result.clips} clips{left_out}")
