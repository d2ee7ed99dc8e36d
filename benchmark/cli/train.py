"""cpbench train"""

from __future__ import annotations

from pathlib import Path

import click

SYNTHETIC = "synthetic"


@click.command(name="train")
@click.option("--config", "source", default="demo", show_default=True, help="A packaged configuration, or a YAML file.")
@click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    metavar="FILE",
    help="items.jsonl; `synthetic` speaks a corpus first.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the checkpoint."
)
@click.option("--seed", type=int, help="Of the weights, the order and the augmentation.")
@click.option("--threads", type=click.IntRange(min=1), help="Of torch, on a CPU.")
def command(source: str, data: tuple[str, ...], out: Path, seed: int | None, threads: int | None) -> None:
    """Train a Speech-LLM, and write a checkpoint that `cpbench run --model OUT` takes.

    \b
      cpbench train --config demo --data synthetic --out DIR     remakes the packaged demo checkpoint (needs espeak-ng)
      cpbench train --config my.yaml --data items.jsonl --out DIR
    """
    import dataclasses
    import tempfile

    from cpbench.cli.progress import Bar
    from cpbench.data.synth import build
    from cpbench.training import load_config, train

    changes = {key: value for key, value in {"seed": seed, "threads": threads}.items() if value is not None}
    config = load_config(source, data=data, out=str(out), changes=changes)
    with tempfile.TemporaryDirectory() as folder, Bar() as bar:
        if SYNTHETIC in data:
            bar.say("speaking the synthetic corpus")
            (spoken,) = build("train", Path(folder), seed=config.seed)
            data = tuple(str(spoken) if one == SYNTHETIC else one for one in data)
            config = dataclasses.replace(config, data=data)
        click.echo(train(config, bar))
