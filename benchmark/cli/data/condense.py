"""`cpbench data condense`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cpbench.data.condense import Condensed

SHARE = click.FloatRange(0, 1)


@click.command(name="condense")
@click.argument("clips", type=click.Path(path_type=Path), metavar="CLIPS")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The clips.jsonl to write.")
@click.option("--window", type=float, default=2.0, show_default=True, metavar="S", help="Seconds; the paper's.")
@click.option(
    "--context",
    type=float,
    default=1.0,
    show_default=True,
    metavar="S",
    help="Where an annotator has no tag in a window, those so near speak for it; the paper's.",
)
@click.option(
    "--agreement",
    type=click.Choice(["majority", "all"]),
    default="majority",
    show_default=True,
    help="Of the annotators that give categories; our default.",
)
@click.option(
    "--min-probability", type=SHARE, default=0.0, show_default=True, metavar="P", help="Of what they agree on."
)
@click.option(
    "--positive-from",
    type=SHARE,
    default=0.5,
    show_default=True,
    metavar="V",
    help="Least valence (0 to 1) of a positive emotion; inferred from the paper.",
)
@click.option(
    "--negative-to",
    type=SHARE,
    default=0.4,
    show_default=True,
    metavar="V",
    help="Greatest valence of a negative emotion; inferred from the paper.",
)
@click.option("--positive", multiple=True, metavar="EMOTION", help="What is positive. Default: happiness, excitement.")
@click.option("--negative", multiple=True, metavar="EMOTION", help="What is negative. Default: anger, fear, ...")
@click.option("--emotion", "emotions", multiple=True, metavar="EMOTION", help="Keep these only; repeatable.")
@click.option(
    "--min-windows",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    metavar="N",
    help="How often an emotion occurs in its clip; the paper's count is not known, this is our default.",
)
@click.option("--keep-neutral", is_flag=True, help="Keep clips in which nothing but neutral is heard.")
@click.option(
    "--min-clips", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Of an emotion, or none."
)
@click.option(
    "--balance",
    default="1",
    show_default=True,
    metavar="X|none",
    help="At most X times the clips of the rarest emotion; our default.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For which clips the balance draws.")
@click.option("--categorical", multiple=True, metavar="NAME", help="Annotators whose categories vote. Default: all.")
@click.option("--valence", multiple=True, metavar="NAME", help="Annotators whose valence counts. Default: all.")
@click.option("--keep-tags", is_flag=True, help="Keep the annotators' own tags beside the ensemble's.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(*, clips: Path, out: Path, as_json: bool, balance: str, **flags: Any) -> None:
    """Keep what is rich in emotion, as the annotators agree, and say what each filter removed.

    CLIPS is a file that `cpbench data annotate` wrote. Windows, agreement, category against valence, occurrence and
    balance, in that order, on the tags alone.

    \b
      cpbench data condense clips.jsonl --out condensed.jsonl
      cpbench data condense clips.jsonl --out condensed.jsonl --agreement all --balance none --keep-neutral
    """
    from cpbench.data.condense import Settings, condense

    given = {key: value for key, value in flags.items() if value != ()}  # an empty list of names is the default
    settings = Settings(balance=_ratio(balance), **given)
    result = condense(clips, out, settings)
    if as_json:
        click.echo(out.with_name(f"{out.stem}.condense.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(result)


def _ratio(word: str) -> float | None:
    from cpbench.errors import UsageError

    if word.lower() == "none":
        return None
    try:
        return float(word)
    except ValueError:
        raise UsageError("--balance takes a number or none, not", value=word) from None


def _show(result: Condensed) -> None:
    from cpbench.data.condense import as_text

    click.echo(as_text(result.steps))
    for step in result.steps[1:]:
        click.echo(f"  {step.name}: {step.rule}")
    left = ", ".join(f"{emotion} {count}" for emotion, count in result.clips.items())
    click.echo(f"{result.path}: {sum(result.clips.values())} clips ({left})")
