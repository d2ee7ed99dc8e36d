"""The source paper in small: its variants, trained on synthetic speech, asked, and set side by side.

    cpbench miniature --out runs/miniature            # make miniature
    cpbench miniature --out runs/miniature --quick

A base is pre-trained once (ears by the words and the pitch and level of the signal, a language model by text), then
frozen; every variant starts from it, with the same clips and the same number of steps, and trains the adapter alone or
with LoRA, with several seeds. Speech is synthetic, there is no LLM judge, and the numbers are never comparable with the
paper's: what it shows is whether the machinery can tell variants apart, and it prints whatever comes out.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path

from cpbench import formats
from cpbench.flow.watch import Watch
from cpbench.miniature.corpus import CONTEXTUAL, Corpus, make, without
from cpbench.miniature.findings import Asked
from cpbench.miniature.plan import FULL, QUICK, Job, Plan, jobs

__all__ = ["FULL", "QUICK", "Plan", "miniature"]


def miniature(plan: Plan, out: Path, *, watch: Watch, workers: int = 2) -> Path:
    """Make the corpus, train the base and every variant, ask them all, and write the page; return its path.

    What is there is not made again: the same call goes on where it was stopped. `workers` trainings go side by side,
    one thread each. Raises UserError where espeak-ng is missing.
    """
    from cpbench.miniature.page import write

    watch.stage("speaking the corpus", total=1)
    corpus = make(out / "corpus", plan.scale)
    direct = out / "corpus" / "direct.jsonl"
    if not direct.exists():
        formats.write("items", without(formats.read("items", corpus.variants, task="train"), CONTEXTUAL), direct)
    base = out / "base"
    if not (base / "checkpoint.json").exists():
        watch.say("training the base")
        _train_base(corpus, base, plan, watch, threads=workers)
    todo = list(jobs(plan))
    watch.stage("training and asking the variants", total=len(todo))
    for name in _side_by_side(todo, out, plan, workers):
        watch.say(name)
        watch.advance()
    return write(collect(todo, out), plan, out)


def collect(todo: Sequence[Job], out: Path) -> list[Asked]:
    """The runs of all jobs that were asked."""
    from cpbench.evaluate import score
    from cpbench.runfolder import load_run

    found = []
    for job in todo:
        if _results(job, out).exists():
            run = score(load_run(out / "runs" / job.name))
            found.append(Asked(job, run, run.results.scores if run.results else ()))
    return found


def _side_by_side(todo: Sequence[Job], out: Path, plan: Plan, workers: int) -> Iterator[str]:
    """Do the jobs, some at once, each in another process; yield their names as they are done.

    The very first goes alone: what the frozen encoder makes of the clips is kept for all of them, and written by one.
    Every seed has processes of its own, since not all the memory of a training is given back at its end.
    """
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    left = [job for job in todo if not _results(job, out).exists()]
    yield from (job.name for job in todo if job not in left)
    alone = 1 if len(left) == len(todo) else 0
    rounds = [left[:alone], *(list(several) for _, several in groupby(left[alone:], key=lambda job: job.seed))]
    for several in rounds:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
            waiting = [pool.submit(_do, job, out, plan) for job in several]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _one_thread() -> None:
    """What is asked in this process, like what is trained, computes with one thread: others have the other cores."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _results(job: Job, out: Path) -> Path:
    return out / "runs" / job.name / "results.json"


def _do(job: Job, out: Path, plan: Plan) -> str:
    """Train one checkpoint and ask it, in this process."""
    from cpbench.evaluate import evaluate
    from cpbench.records import RunConfig
    from cpbench.training import load_config, train

    checkpoint, run = out / "checkpoints" / job.name, out / "runs" / job.name
    if not (checkpoint / "checkpoint.json").exists():
        changes = {
            "base": str(out / "base"),
            "variant": job.system.variant,
            "seed": job.seed,
            "threads": 1,
            "cache": str(out / "cache"),
            "lora": {"rank": 8, "alpha": 16, "dropout": 0.0} if job.tuned == "lora" else None,
        }
        data = (str(out / "corpus" / f"{job.system.data}.jsonl"),)
        config = load_config("miniature", data=data, out=str(checkpoint), changes=changes)
        stages = tuple(dataclasses.replace(stage, epochs=stage.epochs * plan.epochs) for stage in config.stages)
        train(dataclasses.replace(config, stages=stages), synthetic=data)
    if not _results(job, out).exists():
        tasks = (str(out / "corpus" / "held_out.jsonl"), str(out / "corpus" / "conflict.jsonl"))
        asked = RunConfig(
            str(checkpoint),
            tasks,
            conditions=job.system.conditions,
            out=str(run),
            limit=plan.limit,
            hearing_check=False,
        )
        evaluate(asked)
    return job.name


def _train_base(corpus: Corpus, base: Path, plan: Plan, watch: Watch, *, threads: int) -> None:
    from cpbench.training import load_config, train

    data = tuple(map(str, corpus.base))
    config = load_config("miniature_base", data=data, out=str(base), changes={"threads": threads})
    stages = tuple(dataclasses.replace(stage, epochs=stage.epochs * plan.base_epochs) for stage in config.stages)
    train(dataclasses.replace(config, stages=stages), watch, synthetic=data)
