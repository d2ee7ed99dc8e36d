"""docs/leaderboard.md and its workflow: every command in them is one that exists, with flags that it takes."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from cpbench.cli import cpbench
from cpbench.leaderboard.board import Rules, open_board

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "leaderboard.md").read_text(encoding="utf-8")
WORKFLOW = DOCS / "examples" / "board-workflow.yml"


def steps():
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    return {name: job["steps"] for name, job in jobs.items()}


def commands():
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    scripts = [step["run"] for each in steps().values() for step in each if "run" in step]
    lines = [line.strip() for text in (*blocks, *scripts) for line in text.splitlines()]
    return [line for line in lines if line.startswith("cpbench ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_exists_and_takes_its_flags(line):
    words = shlex.split(line.partition("  #")[0])[1:]
    group, command = cpbench, None
    context = click.Context(cpbench)
    while isinstance(group, click.Group):
        name, command, words = group.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
        group = command
    assert command is not None
    command.make_context(name, words)


def test_there_are_commands_of_every_kind():
    asked = {line.split()[2] for line in commands() if line.startswith("cpbench leaderboard")}
    assert asked == {"init", "check", "add", "build", "rejudge", "repeat", "withdraw"}


def test_the_workflow_is_what_the_host_takes():
    """`on` is a boolean to YAML 1.1, as the host knows; a job has a runner, and each step does one thing."""
    flow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    triggers = flow[True]
    assert set(triggers) == {"pull_request", "push"}
    assert "pull_request_target" not in WORKFLOW.read_text(encoding="utf-8")
    for job in flow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_what_strangers_send_has_no_rights():
    flow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert flow["permissions"] == {"contents": "read"}
    assert "permissions" not in flow["jobs"]["check"]
    scripts = "".join(step.get("run", "") for step in flow["jobs"]["check"]["steps"])
    assert "${{" not in scripts  # nothing of theirs is put into a script
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")


def test_the_rules_on_the_page_are_rules(tmp_path):
    (text,) = re.findall(r"```yaml\n(cpbench_board.*?)```", PAGE, re.DOTALL)
    (tmp_path / "board.yaml").write_text(text, encoding="utf-8")
    rules = open_board(tmp_path).rules
    assert isinstance(rules, Rules)
    assert (rules.cascades, rules.metrics) == ("beside", {"emotion_emodb": "balanced_accuracy"})
