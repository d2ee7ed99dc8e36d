"""`cpbench data generate`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cpbench.data.datasheet import Datasheet
    from cpbench.data.generate import Generating

LLM = "openai/NAME, anthropic/NAME or hf/ID: writes the questions. It is sent the words and tags of every clip."
CHECK = "A text model that is asked each question about the voice with the words alone; what it answers is dropped."


@click.command(name="generate")
@click.argument("clips", type=click.Path(path_type=Path), metavar="CLIPS")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The data lines to write.")
@click.option("--llm", metavar="SPEC", help=LLM)
@click.option("--templates", is_flag=True, help="Templates write the questions: offline.")
@click.option("--types", metavar="C,DE,...", help="Types of question; C, DE, DG, DS, CE, CG, CS. Default: all.")
@click.option("--prompt", default="cpqa", show_default=True, metavar="NAME|FILE", help="cpqa, pqa, or a YAML file.")
@click.option("-L", "llm_options", multiple=True, metavar="KEY=VALUE", help="Of --llm: base_url, temperature, ...")
@click.option("--per-clip", type=click.IntRange(min=1), default=8, show_default=True, metavar="N", help="At most.")
@click.option("--language", default="en", show_default=True, help="Of the questions and answers of --llm.")
@click.option("--baseline/--no-baseline", default=True, help="Rows of speech recognition, gender and emotion as known.")
@click.option("--seed", default=0, show_default=True, help="Of the templates' draws, the split and the model.")
@click.option("--check-llm", metavar="SPEC", help=CHECK)
@click.option("-K", "check_options", multiple=True, metavar="KEY=VALUE", help="Of --check-llm: base_url, ...")
@click.option("--max-repeats", type=click.IntRange(min=1), metavar="N", help="Of one question with one answer, in all.")
@click.option("--split", "parts", metavar="NAME=SHARE,...", help="As train=.9,dev=.1; without it, all is train.")
@click.option(
    "--split-by",
    type=click.Choice(["both", "speaker", "transcript", "crossed"]),
    default="both",
    show_default=True,
    help="What no two parts share; crossed: both, leaving out the clips in between.",
)
@click.option("--license", "license_", metavar="NAME", help="Of the questions and their clips, for the lines.")
@click.option("--batch", is_flag=True, help="Through the provider's batches: cheaper, and hours later.")
@click.option("--dry-run", is_flag=True, help="Send and write nothing: count calls, tokens and, with --prices, money.")
@click.option("--max-calls", type=click.IntRange(min=1), metavar="N", help="Stop before the call after the N-th.")
@click.option("--max-cost", type=float, metavar="X", help="Stop before it would cost more; needs --prices.")
@click.option("--prices", type=click.Path(path_type=Path), metavar="FILE", help="A YAML of prices per million tokens.")
@click.option("--json", "as_json", is_flag=True, help="Print the datasheet as one JSON object.")
def command(*, as_json: bool, dry_run: bool, **flags: Any) -> None:
    """Make questions with answers from clips with words and tags, to train on.

    CLIPS is what `cpbench data annotate` (or condense) wrote. FILE gets one data line a question; beside it stand a
    datasheet, and what the model wrote, so that the same command again goes on where it was stopped and pays for
    nothing twice.

    \b
      cpbench data generate clips.jsonl --templates --split train=.9,dev=.1 --out train.jsonl
      cpbench data generate clips.jsonl --llm openai/gpt-4o --dry-run --prices prices.yaml --out train.jsonl
    """
    from cpbench.cli.progress import Bar
    from cpbench.data.generate import generate, price
    from cpbench.flow.stopping import stop_on_signals
    from cpbench.flow.watch import Watching

    work = _work(flags)
    if dry_run:
        offline = work.writer is None and work.checker is None
        click.echo("no calls: templates write the questions" if offline else price(work))
        return
    with Bar() as bar, stop_on_signals() as stop:
        sheet = generate(work, Watching(bar, stop.is_set))
    _show(sheet, work, as_json=as_json)


def _work(flags: dict[str, Any]) -> Generating:
    from cpbench.chat.paying import Paying
    from cpbench.chat.prices import load_prices
    from cpbench.cli.settings import pairs
    from cpbench.data.generate import Generating, Model, Plan
    from cpbench.data.splits import shares
    from cpbench.errors import UsageError

    if bool(flags["llm"]) == flags["templates"]:
        raise UsageError("who writes the questions? Give either --llm SPEC or --templates")
    prices = load_prices(flags["prices"]) if flags["prices"] else None
    paying = Paying(prices, batch=flags["batch"], max_calls=flags["max_calls"], max_cost=flags["max_cost"])
    writer = Model(flags["llm"], pairs(flags["llm_options"], "-L"), flags["prompt"], paying) if flags["llm"] else None
    asked = flags["check_llm"]
    checker = Model(asked, pairs(flags["check_options"], "-K"), paying=paying) if asked else None
    plan = Plan(
        types=tuple(word.strip() for word in (flags["types"] or "").split(",") if word.strip()),
        per_clip=flags["per_clip"],
        seed=flags["seed"],
        baseline=flags["baseline"],
        language=flags["language"],
        parts=shares(flags["parts"]) if flags["parts"] and flags["parts"] != "none" else {},
        split_by=flags["split_by"],
        most_repeats=flags["max_repeats"],
        license=flags["license_"],
    )
    return Generating(flags["clips"], flags["out"], plan, writer, checker)


def _show(sheet: Datasheet, work: Generating, *, as_json: bool) -> None:
    """The counts on stdout, what should be noticed on stderr."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    if as_json:
        click.echo(json.dumps(asdict(sheet), ensure_ascii=False))
    else:
        console = Console(soft_wrap=True, highlight=False)
        generators = list(sheet.filters)
        table = Table("questions", *generators, title=f"{sheet.questions} questions, {sheet.hours:.2f} h")
        for name in dict.fromkeys(name for counts in sheet.filters.values() for name in counts if name != "kept"):
            table.add_row(name, *(str(sheet.filters[who].get(name, 0)) for who in generators))
        table.add_row("kept", *(str(sheet.filters[who]["kept"]) for who in generators), style="bold")
        for kind, counts in sheet.by_type.items():
            table.add_row(f"  {kind}", *(str(counts.get(who, 0)) for who in generators))
        console.print(table)
        parts = (
            f"{name}: {int(part['questions'])} on {int(part['clips'])} clips" for name, part in sheet.by_split.items()
        )
        click.echo("; ".join(parts))
    lost = [f"{count} clips: {status}" for status, count in sheet.written.items() if status != "ok"]
    gaps = [f"{count} of {sheet.clips_given} clips: {what}" for what, count in sheet.clips_lacking.items()]
    for remark in [*sheet.remarks, *gaps, *lost]:
        click.echo(remark, err=True)
    click.echo(f"{work.out}, {work.beside('datasheet.md')}", err=True)
