"""cpbench train"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

SYNTHETIC = "synthetic"
VARIANTS = ("baseline", "implicit", "explicit", "combined")


@click.command(name="train")
@click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    help="Which rows, with or without tags. Default: the configuration's.",
)
@click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    metavar="FILE",
    help="items.jsonl, or a training file of another format; `synthetic` speaks a corpus first; repeatable.",
)
@click.option("--base", metavar="CKPT", help="A speechlm, or any transformers Speech-LLM: a folder or a Hub id.")
@click.option("--encoder", metavar="E", help="A pretrained speech encoder (Whisper, wav2vec 2.0, ...); with --llm.")
@click.option("--llm", metavar="L", help="A pretrained causal language model; with --encoder.")
@click.option("--lora/--no-lora", default=None, help="LoRA beside the language model's layers.")
@click.option("--merge", is_flag=True, help="Add LoRA's weights to the base's, and save all of them.")
@click.option("--tags", metavar="gold|SOURCE", help="Whose emotion tags explicit and combined see. Default: gold.")
@click.option("--eval-data", multiple=True, metavar="FILE", help="A held-out file, besides the data's own dev part.")
@click.option(
    "--config",
    "source",
    metavar="NAME|FILE",
    help="A packaged one (demo, emodb, lora, paper), or a YAML file. Default: demo; for a base, paper or lora.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Over the configuration: stages.0.epochs=2, ..."
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The checkpoint's folder.")
@click.option("--overwrite", is_flag=True, help="Forget the training, or the model, that --out holds.")
@click.option("--seed", type=int, help="Of the weights, the order and the augmentation.")
@click.option("--threads", type=click.IntRange(min=1), help="Of torch, on a CPU.")
def command(**flags: Any) -> None:
    """Train a Speech-LLM, and write a checkpoint that `cpbench run --model OUT` takes.

    The same command again goes on where it was stopped, at any step, to the same weights.

    \b
      cpbench train --data synthetic --out DIR                                     the demo checkpoint; needs espeak-ng
      cpbench train --variant implicit --data FILE --encoder E --llm L --out DIR   the paper's recipe: the adapter alone
      cpbench train --variant explicit --data FILE --base CKPT --lora --out DIR    any transformers Speech-LLM
    """
    from cpbench.cli.progress import Bar
    from cpbench.training import give_up, train

    out: Path = flags["out"]
    if flags["overwrite"]:
        give_up(out)
    with Bar() as bar, _stopping() as stop:
        data = _spoken(flags, bar)
        config = _configured(flags, data)
        synthetic = [path for path, said in zip(data, flags["data"], strict=True) if said == SYNTHETIC]
        folder = train(config, bar, stop=stop, synthetic=synthetic)
    if os.environ.get("RANK", "0") == "0":  # of several ranks, one says it
        click.echo(folder)


def _configured(flags: dict[str, Any], data: tuple[str, ...]) -> Any:
    """The TrainConfig that the flags make."""
    from cpbench.training import default_config, load_config

    changes = {
        key: flags[key] for key in ("base", "encoder", "llm", "tags", "seed", "threads") if flags[key] is not None
    }
    if flags["variant"] is not None:
        changes |= {"variant": flags["variant"], "conditions": None}
    if flags["lora"] is not None:
        changes["lora"] = {} if flags["lora"] else None
    if flags["merge"]:
        changes["merge"] = True
    settings = [*_also(flags), *flags["settings"]]
    source = flags["source"] or default_config(flags["base"], flags["encoder"])
    return load_config(source, data=data, out=str(flags["out"]), changes=changes, settings=settings)


def _also(flags: dict[str, Any]) -> Iterator[str]:
    """Flags that add to what the configuration says."""
    if flags["eval_data"]:
        yield f"evaluation.data={list(flags['eval_data'])}"


def _spoken(flags: dict[str, Any], bar: Any) -> tuple[str, ...]:
    """The data files, `synthetic` spoken into the training's own folder, where an earlier start may have done it."""
    if SYNTHETIC not in flags["data"]:
        return tuple(flags["data"])
    from cpbench.data.synth import build

    folder = flags["out"] / "work" / "synthetic"
    spoken = folder / "items.jsonl"
    if not spoken.is_file():
        bar.say("speaking the synthetic corpus")
        (spoken,) = build("train", folder, seed=flags["seed"] or 0)
    return tuple(str(spoken) if one == SYNTHETIC else one for one in flags["data"])


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM, SIGUSR1 or Ctrl-C asked to stop: the step under way is ended and kept. A second Ctrl-C ends it
    at once.

    Raises KeyboardInterrupt at the end, where it was Ctrl-C.
    """
    from cpbench.flow.stopping import Stopped, stop_on_signals

    interrupted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        with stop_on_signals() as stop:
            yield lambda: stop.is_set() or bool(interrupted)
    except Stopped:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
