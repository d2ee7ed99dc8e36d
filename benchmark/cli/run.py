"""cpbench run"""

from __future__ import annotations

from typing import Any

import click

from cpbench.cli.settings import JUDGES, OPTION, PROMPT, configured, from_file

COUNT = click.IntRange(min=1)


@click.command(name="run", context_settings={"auto_envvar_prefix": "CPBENCH"})
@click.option(
    "--model",
    required=True,
    metavar="SPEC",
    help="demo, a checkpoint's folder or Hub id, openai/NAME, command:PROGRAM, answers:FILE, FILE.py:CLASS, echo, ...",
)
@click.option(
    "-M",
    "model_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the model: dtype, device, base_url, ...",
)
@click.option(
    "--tasks", metavar="A,B|FILE", help="Task names, or an items.jsonl. Default: demo for the demo, cpqa for others."
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="SPEC",
    help=f"An LLM judge: {JUDGES}; repeatable.",
)
@click.option("--judge-prompt", metavar="NAME|FILE", help=PROMPT)
@click.option("-J", "judge_options", multiple=True, metavar="KEY=VALUE", help=OPTION)
@click.option("--data-dir", "data_dirs", multiple=True, metavar="[TASK=]DIR", help="Where a task's data lie.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="C",
    help="What is done to each item, a column each: audio, silence, shuffled, transcript, prefix:30, flat, noise:10db, "
    "paraphrase:1, tags:gold, ... or `all`, `perturbations`; repeatable. A run that exists gets them added.",
)
@click.option(
    "--tags",
    multiple=True,
    metavar="none|gold|wrong|MODEL",
    help="Emotion tags in the prompt: short for --condition tags:...; MODEL is an annotator, which makes them.",
)
@click.option(
    "--asr",
    metavar="SPEC",
    help="Recognise the words of clips without a transcript: a checkpoint, command:PROGRAM, ...",
)
@click.option("--paraphrases", metavar="FILE", help='Other wordings: JSONL of {"question": ..., "paraphrases": [...]}.')
@click.option(
    "--limit", type=COUNT, metavar="N", help="N items a task, drawn by seed, stratified by type; can be raised later."
)
@click.option(
    "--shard", metavar="I/N", help="This part of a job array, 1/N to N/N; cpbench merge brings them together."
)
@click.option(
    "--out", type=click.Path(), metavar="DIR", help="The run's folder. Default: runs/, named after the configuration."
)
@click.option("--batch-size", metavar="auto|N", help="Short for -M batch_size=N; 1 is the reference.")
@click.option("--seed", type=int, default=0, show_default=True, help="For --limit, and for what a condition draws.")
@click.option("--strict", is_flag=True, help="Stop at the first item that fails, instead of counting it.")
@click.option(
    "--hearing-check/--no-hearing-check", default=True, help="Whether a deaf model is stopped. Default: it is."
)
@click.option(
    "--third-party-ok", is_flag=True, help="Send data elsewhere although their license does not say that it may be."
)
@click.option(
    "--show", type=click.IntRange(min=0), default=0, metavar="N", help="Show the first N prompts and answers."
)
@click.option(
    "--config",
    type=click.Path(),
    callback=from_file,
    is_eager=True,
    expose_value=False,
    metavar="FILE",
    help="A YAML of these flags; the environment (CPBENCH_SEED, ...) and the flags go before it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def command(*, show: int, as_json: bool, **flags: Any) -> None:
    """Run a model on some tasks, and score its answers.

    The same command again goes on where it was stopped, and does no work twice.

    \b
      cpbench run --model demo
      cpbench run --model my-ckpt --tasks emotion_emodb --data-dir DIR
      cpbench run --model demo --tasks items.jsonl --condition audio --condition silence
    """
    from cpbench.cli.progress import Bar
    from cpbench.cli.show import show_results
    from cpbench.evaluate import evaluate
    from cpbench.flow.stopping import stop_on_signals
    from cpbench.flow.watch import Watching
    from cpbench.report import write_report

    config = configured(flags)
    with Bar() as bar, stop_on_signals() as stop:
        run = evaluate(config, Watching(bar, stop.is_set, show))
    if run.results is not None:  # of several ranks, the first one shows them
        show_results(run, run.results, as_json=as_json)
        click.echo(f"report: {write_report(run)}", err=True)
