"""cpbench judge validate"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpbench.cli.settings import JUDGES, OPTION, PROMPT, pairs

if TYPE_CHECKING:
    from cpbench.judges.validity.evidence import Candidate, People
    from cpbench.judges.validity.packs import Pack
    from cpbench.judges.validity.validate import Room
    from cpbench.records import Judgement

EXIT = {"PASS": 0, "FAIL": 3, "INSUFFICIENT": 4}


@click.command(name="validate")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN...]")
@click.option("--judge", "spec", required=True, metavar="SPEC", help=JUDGES)
@click.option("--judge-prompt", "prompt", metavar="NAME|FILE", help=PROMPT)
@click.option("-J", "options", multiple=True, metavar="KEY=VALUE", help=OPTION)
@click.option("--baseline", metavar="SPEC", help="A judge to compare with, on identical answers.")
@click.option("--baseline-prompt", metavar="NAME|FILE", help="The baseline's prompt. Default: as --judge-prompt.")
@click.option("-B", "baseline_options", multiple=True, metavar="KEY=VALUE", help="An option of the baseline.")
@click.option("--pack", "pack", metavar="DIR", help="A pack. Default: one of the runs that are given, or else `demo`.")
@click.option("--humans", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="Human ratings.")
@click.option("--sample", type=click.Path(path_type=Path), metavar="FILE", help="The sample.json of the ratings.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Default: runs/validity/ and a name.")
@click.option("--dev", is_flag=True, help="Look at the dev part only, to improve a prompt by: no card, no log.")
@click.option("--batch", is_flag=True, help="Through the provider's batches: cheaper, and hours later.")
@click.option("--dry-run", is_flag=True, help="Send nothing: count calls, tokens and, with --prices, money.")
@click.option("--max-calls", type=click.IntRange(min=1), metavar="N", help="Stop before the call after the N-th.")
@click.option("--max-cost", type=float, metavar="X", help="Stop before it would cost more; needs --prices.")
@click.option("--prices", type=click.Path(path_type=Path), metavar="FILE", help="A YAML of prices per million tokens.")
@click.option("--third-party-ok", is_flag=True, help="Send data elsewhere although their license is silent.")
@click.option("--json", "as_json", is_flag=True, help="Print validity.json instead of the summary.")
def command(*, as_json: bool, dry_run: bool, dev: bool, **flags: Any) -> None:
    """Measure how far a judge can be believed, and say PASS, FAIL or INSUFFICIENT.

    Answers whose label is known, answers made to deceive, and repeats are put to the judge; nothing is paid for twice.
    Exit codes: 0 PASS, 3 FAIL, 4 INSUFFICIENT or NOT A JUDGE. See docs/judge-validate.md.

    \b
      cpbench judge validate --judge simulated:noisy
      cpbench judge validate --judge openai/NAME --judge-prompt mine.yaml --pack packs/emotion --dev
      cpbench judge validate --judge openai/NAME --pack packs/emotion --humans ratings.csv
    """
    from cpbench.cli.progress import Bar
    from cpbench.cli.show_validity import show_validity
    from cpbench.flow.stopping import stop_on_signals
    from cpbench.flow.watch import Watching
    from cpbench.judges.validity.page import write_page
    from cpbench.judges.validity.validate import price, validate

    if flags["spec"].partition(":")[0] == "overlap":
        click.echo("NOT A JUDGE: overlap shares the label extractor that makes the truth; no LLM judges there")
        raise SystemExit(EXIT["INSUFFICIENT"])
    pack, known = _ground(flags)
    candidates = _candidates(flags)
    room = _room(flags, pack, known)
    if dry_run:
        click.echo(price(pack, candidates, room, part="dev" if dev else "gate"))
        return
    people = _people(flags)
    with Bar() as bar, stop_on_signals() as stop:
        room = _watched(room, Watching(bar, stop.is_set))
        baseline = candidates[1] if len(candidates) > 1 else None
        found = validate(pack, candidates[0], room, baseline=baseline, people=people, part="dev" if dev else "gate")
    show_validity(found, write_page(found, room.out), as_json=as_json)
    raise SystemExit(EXIT[found["verdict"]])


def _ground(flags: Mapping[str, Any]) -> tuple[Pack, list[Judgement]]:
    """The pack, and the judgements that its runs paid for already."""
    from cpbench.errors import UsageError
    from cpbench.judges.validity.packs import DEMO, make_pack, read_pack
    from cpbench.runfolder import load_run

    if flags["pack"] is not None and flags["runs"]:
        raise UsageError("either --pack DIR or runs")
    if not flags["runs"]:
        return read_pack(flags["pack"] or DEMO), []
    runs = [load_run(run) for run in flags["runs"]]
    return make_pack(runs), [one for run in runs for one in run.judgements]


def _candidates(flags: Mapping[str, Any]) -> list[Candidate]:
    from cpbench.judges.validity.evidence import Candidate

    found = [Candidate(flags["spec"], flags["prompt"], pairs(flags["options"], "-J"))]
    if flags["baseline"] is not None:
        options = pairs(flags["baseline_options"], "-B")
        found.append(Candidate(flags["baseline"], flags["baseline_prompt"], options, otherwise=flags["prompt"]))
    return found


def _room(flags: Mapping[str, Any], pack: Pack, known: list[Judgement]) -> Room:
    import re
    from datetime import UTC, datetime

    from cpbench.chat.paying import Paying
    from cpbench.chat.prices import load_prices
    from cpbench.judges import cards_folder
    from cpbench.judges.validity.validate import Room

    prices = load_prices(flags["prices"]) if flags["prices"] else None
    words = re.sub(r"[^A-Za-z0-9.+_-]+", "-", flags["spec"])[:60]
    return Room(
        flags["out"] or Path("runs") / "validity" / f"{words}-{pack.pack_id[:8]}",
        datetime.now(UTC).isoformat(timespec="seconds"),
        Paying(prices, batch=flags["batch"], max_calls=flags["max_calls"], max_cost=flags["max_cost"]),
        third_party_ok=flags["third_party_ok"],
        known=known,
        cards=(cards_folder(),),
    )


def _watched(room: Room, watching: Any) -> Room:
    from dataclasses import replace

    return replace(room, watching=watching)


def _people(flags: Mapping[str, Any]) -> People | None:
    """The human ratings; with the sample's key beside them they are a random sample, and its chances are known."""
    from cpbench.judges.validity.evidence import People
    from cpbench.judges.validity.humans import read_humans
    from cpbench.judges.validity.sample import KEY, load_key

    if not flags["humans"]:
        return None
    files: list[Path] = list(flags["humans"])
    beside = files[0].parent / KEY
    key = flags["sample"] or (beside if beside.is_file() else None)
    chance = None if key is None else load_key(key).chance
    return People(read_humans(files, key=key), chance)
