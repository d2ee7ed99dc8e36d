"""cpbench leaderboard submit"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cpbench.runfolder import Run

KNOWN = ("yes", "no", "unknown")


@click.command(name="submit")
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Gets a folder a task.")
@click.option("--name", metavar="NAME", help="The system's name on the board.")
@click.option("--organisation", metavar="WHO", help="Who made it.")
@click.option("--url", metavar="URL", help="Where more is said of it; https.")
@click.option("--license", "license", metavar="NAME", help="Of its weights.")
@click.option("--revision", metavar="REV", help="Of its weights. Default: what the checkpoint says.")
@click.option("--backbone", metavar="FAMILY", help="Its language model's family. Default: what the checkpoint says.")
@click.option("--trained-on-eval", type=click.Choice(KNOWN), help="Whether it was trained on what it is evaluated on.")
@click.option("--selection", metavar="RULE", help="How this run was chosen among several. Default: the only run.")
@click.option("--attempts", type=click.IntRange(min=1), metavar="N", help="Runs that it was chosen among. Default: 1.")
@click.option("--note", metavar="TEXT", help="One sentence to stand beside the entry.")
@click.option("--judge", metavar="NAME", help="Which of the run's judges; `none`: label metrics alone.")
@click.option("--task", "tasks", multiple=True, metavar="TASK", help="Only this task of the run; may be repeated.")
@click.option("--zip", "zipped", is_flag=True, help="Write a zip beside each folder, too.")
@click.option("--sign", "key", type=click.Path(path_type=Path), metavar="KEY", help="Sign with an SSH key.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object.")
def command(*, folder: Path, out: Path, zipped: bool, key: Path | None, as_json: bool, **flags: Any) -> None:
    """Write the submission of a run: a folder of three files for each of its tasks, checked as a board checks it.

    On a terminal it asks for what only a person knows; without one, --name and --trained-on-eval have to be given
    (null baselines need neither). Refused, with the reason: partial runs, unanswered or unjudged items, other
    conditions than the model's own, and tasks that have neither a label metric nor a judge. Where a set's rights forbid
    text, the judge's words and the model's reasoning are left out; the answers are what is scored, and stay.

    \b
      cpbench leaderboard submit runs/my-run --out submission --name "My model 1.0" --trained-on-eval no
    """
    import json

    from cpbench.leaderboard.signing import sign
    from cpbench.leaderboard.submit import About, pack, submit
    from cpbench.runfolder import load_run

    run = load_run(folder)
    known = {name: value for name, value in _asked(run, flags).items() if value is not None}
    made = submit(run, out, about=About(**known))
    if key is not None:
        for place in made:
            sign(place, key)
    zips = [pack(place) for place in made] if zipped else []
    if as_json:
        click.echo(json.dumps({"submissions": [str(place) for place in made], "zips": [str(path) for path in zips]}))
        return
    for place in (*made, *zips):
        click.echo(str(place))
    click.echo(f"next: cpbench leaderboard check {made[0]} --board BOARD", err=True)


def _asked(run: Run, flags: dict[str, Any]) -> dict[str, Any]:
    """The flags as `About` names them, with what was asked for. Raises UsageError where there is nobody to ask."""
    from cpbench.errors import UsageError
    from cpbench.leaderboard.submit import suggested_name

    about = {**flags, "selection_rule": flags["selection"], "attempted_runs": flags["attempts"]}
    del about["selection"], about["attempts"]
    if run.card.kind == "null":
        return {**about, "trained_on_eval": about["trained_on_eval"] or "no"}
    needed = {"name": "--name", "trained_on_eval": "--trained-on-eval"}
    missing = [flag for name, flag in needed.items() if about[name] is None]
    if not missing:
        return about
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"only you can say {' and '.join(missing)}", mend=f"{' ... '.join(missing)} ...")
    if about["name"] is None:
        about["name"] = click.prompt("The system's name on the board", default=suggested_name(run.card), err=True)
    for name, question in (
        ("organisation", "Who made it (empty: not told)"),
        ("url", "Where more is said of it, https (empty: nowhere)"),
        ("license", "The license of its weights (empty: not told)"),
    ):
        if about[name] is None:
            about[name] = click.prompt(question, default="", show_default=False, err=True).strip() or None
    if about["trained_on_eval"] is None:
        question = "Was it trained on what it is evaluated on"
        about["trained_on_eval"] = click.prompt(question, type=click.Choice(KNOWN), err=True)
    return about
