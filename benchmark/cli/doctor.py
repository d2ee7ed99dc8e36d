"""cpbench doctor"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cpbench.cli.settings import pairs

PARITY = "Of --parity: "


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: for a bug report.")
@click.option("--data-dir", "data_dirs", multiple=True, metavar="[TASK=]DIR", help="Where a task's data lie.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of runs whose disk is looked at; of --parity, the folder to keep answers in and to go on from.",
)
@click.option("--online", is_flag=True, help="Also ask the endpoints whose keys are set which models they serve.")
@click.option("--endpoint", "endpoints", multiple=True, metavar="URL", help="Also ask this endpoint; repeatable.")
@click.option(
    "--parity",
    nargs=2,
    metavar="A B",
    help="Compare two models on the same items, greedily: a checkpoint here and behind vLLM, say.",
)
@click.option("-A", "a_options", multiple=True, metavar="KEY=VALUE", help=PARITY + "an option of the first model.")
@click.option("-B", "b_options", multiple=True, metavar="KEY=VALUE", help=PARITY + "an option of the second model.")
@click.option("--tasks", metavar="A,B|FILE", help=PARITY + "task names, or an items.jsonl. Default: demo.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=PARITY + "N recordings a task, drawn by seed, with all their items. Default: all.",
)
@click.option("--condition", metavar="C", help=PARITY + "what is done to each item. Default: the first model's own.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    metavar="POINTS",
    help=PARITY + "a difference of the main metric that does not matter, in points of 100. Default: 2.",
)
@click.option("--metric", metavar="NAME", help=PARITY + "the metric that decides. Default: each task's main one.")
@click.option("--show", type=click.IntRange(min=0), metavar="N", help=PARITY + "differing answers to show. Default: 3.")
@click.option("--seed", type=int, metavar="N", help=PARITY + "for --limit. Default: 0.")
@click.option(
    "--third-party-ok",
    is_flag=True,
    help=PARITY + "send data elsewhere although their license does not say that it may be.",
)
def command(*, as_json: bool, parity: tuple[str, str] | None, **flags: Any) -> None:
    """What is installed, which device, which keys, which data can be reached; or whether two backends answer alike.

    Nothing goes over the network without --online, --endpoint or --parity, and of a key only its name is read. Exit 1
    where something that every run needs is broken.

    \b
      cpbench doctor
      cpbench doctor --json > doctor.json
      cpbench doctor --endpoint http://node7:8000/v1
      cpbench doctor --parity my-ckpt openai/my-ckpt -B base_url=http://node7:8000/v1 --tasks cpqa --limit 40

    --parity exits 0 where the two are identical or equivalent within --margin, 3 where they differ, and 4 where that
    cannot be told.
    """
    if parity is not None:
        _compare(parity, flags, as_json=as_json)
        return
    given = [
        name
        for name in ("a_options", "b_options", "tasks", "limit", "condition", "margin", "metric", "show", "seed")
        if flags[name]
    ]
    if given:
        from cpbench.errors import UsageError

        raise UsageError("this belongs to --parity A B:", value=f"--{given[0].replace('_', '-')}")
    _examine(flags, as_json=as_json)


def _examine(flags: dict[str, Any], *, as_json: bool) -> None:
    import os

    from cpbench.cli.show_doctor import show_findings
    from cpbench.doctor import Place, examine
    from cpbench.doctor.findings import healthy
    from cpbench.doctor.reach import asked

    place = Place(flags["out"] or Path("runs"), pairs(flags["data_dirs"], "--data-dir", bare=True))
    found = examine(place)
    if flags["online"] or flags["endpoints"]:
        found += asked(flags["endpoints"], os.environ if flags["online"] else {})
    show_findings(found, as_json=as_json)
    if not healthy(found):
        raise SystemExit(1)


def _compare(models: tuple[str, str], flags: dict[str, Any], *, as_json: bool) -> None:
    from cpbench.cli.progress import Bar
    from cpbench.cli.show_doctor import show_parity
    from cpbench.doctor.parity import Plan, Side, parity
    from cpbench.flow.stopping import stop_on_signals
    from cpbench.flow.watch import Watching

    a, b = Side(models[0], pairs(flags["a_options"], "-A")), Side(models[1], pairs(flags["b_options"], "-B"))
    tasks = tuple(dict.fromkeys(name.strip() for name in (flags["tasks"] or "demo").split(",") if name.strip()))
    chosen = {key: flags[key] for key in ("limit", "condition", "margin", "metric", "seed") if flags[key] is not None}
    dirs = pairs(flags["data_dirs"], "--data-dir", bare=True)
    plan = Plan(a, b, tasks=tasks, data_dirs=dirs, out=flags["out"], third_party_ok=flags["third_party_ok"], **chosen)
    with Bar() as bar, stop_on_signals() as stop:
        found = parity(plan, Watching(bar, stop.is_set))
    show_parity(found, shown=3 if flags["show"] is None else flags["show"], as_json=as_json)
    if found.exit_code:
        raise SystemExit(found.exit_code)
