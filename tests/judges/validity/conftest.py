"""What the tests of validity use: run folders as `cpbench run` leaves them, written by the same functions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile

from cpbench.fingerprint import dataset_fingerprint
from cpbench.flow.ledger import adapter
from cpbench.records import Clip, Item, ModelCard, Request, Rights, RunConfig, Sound, Task
from cpbench.runfolder import open_run

OPEN = Rights("CC-BY-4.0", audio_in_report=True, text_in_report=True, third_party_api=True)


@pytest.fixture
def tone(tmp_path):
    """A function: the path of a real wav file, named by what a rater should not read."""

    def make(name="03a01Wa-anger.wav", seconds=0.5):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        path = tmp_path / "corpus" / name
        wave = 0.2 * np.sin(2 * np.pi * 220 * np.arange(round(16000 * seconds)) / 16000)
        soundfile.write(path, wave.astype(np.float32), 16000)
        return path

    return make


@pytest.fixture
def run_of(tmp_path, tone):
    """A function: a run folder of one system. `types`, `labels`: of the items in turn; `says`: (item) -> its answer."""

    def make(
        name,
        says=lambda item: f"answer to {item.id}",
        *,
        items=40,
        types=("C", "DE"),
        labels=(None,),
        recordings=8,
        rights=OPEN,
        kind="end_to_end",
        failed=0,
        statuses=(),
        **known,
    ):
        sound = tone()
        made = [
            dataclasses.replace(
                Item(
                    f"i{at}",
                    "task",
                    (Clip(str(sound), "a" * 64, 0.5, f"r{at % recordings}"),),
                    f"question {at}?",
                    (labels[at % len(labels)] or f"gold {at}",),
                ),
                **{"type": types[at % len(types)], "label": labels[at % len(labels)], **known},
            )
            for at in range(items)
        ]
        task = Task("task", "1.0", "", ("overlap_score",), rights, fingerprint=dataset_fingerprint(made))
        config = RunConfig(f"answers:{name}", ("task",), out=str(tmp_path / name), conditions=("audio",))
        run = open_run(config, [(task, made)])
        run.note(model=adapter(ModelCard).dump_python(ModelCard(f"model {name}", "test", kind=kind), mode="json"))
        with run.predictions as ledger:
            for at, item in enumerate(made):
                request = Request(item.id, "task", "audio", item.question, tuple(Sound(clip) for clip in item.clips))
                status = statuses[at] if at < len(statuses) else "ok"
                answer = request.failed("broken") if at < failed else None
                ledger.append(answer or request.answered(says(item), heard=0.5, status=status))
        return run

    return make
