"""`cpbench data export`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(name="export")
@click.argument("data", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--format", "tool", required=True, metavar="NAME", help="swift, llamafactory, axolotl or nemo.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to write to.")
@click.option(
    "--variant",
    type=click.Choice(["baseline", "implicit", "explicit", "combined"]),
    default="implicit",
    show_default=True,
    help="baseline: rows that nothing generated; implicit: all; explicit, combined: these two with tags in the prompt.",
)
@click.option("--tags", metavar="ANNOTATOR", help="Whose tags, where there are several annotators'.")
@click.option("--tag-template", "template", metavar="TEXT", help='As "Emotion tags: {tags}\\n{text}".')
def command(*, data: Path, tool: str, out: Path, variant: Any, **flags: Any) -> None:
    """Write questions in another training tool's layout, one file a part.

    FILE is what `cpbench data generate` wrote, or a file in any layout that cpbench reads: items.jsonl, ms-swift,
    LLaMA-Factory, chat blocks, a NeMo manifest, AudioBench's columns.
    """
    from cpbench.data.export import export

    done = export(data, tool, out, variant=variant, tags=flags["tags"], template=flags["template"])
    for file, (part, count) in zip(done.files, done.questions.items(), strict=True):
        click.echo(f"{file}: {count} questions ({part})")
    if done.tags is not None:
        click.echo(f"with the tags of {done.tags}", err=True)
    if done.untagged:
        click.echo(f"{done.untagged} questions left out, for their clips have no tags of {done.tags}", err=True)
