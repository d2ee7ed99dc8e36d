"""One of the ranks that torchrun starts; all in the same processes, for to import torch is most of the time. A script.

`cpbench train`; a training with dropout and augmentation, whole, and the same one ended twice and gone on with; then
trainings of joined parts (their settings: `split.py`) with each rank holding the weights whole, and with FSDP.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import sys
from itertools import cycle
from pathlib import Path

import split

from cpbench.cli import main
from cpbench.errors import UserError
from cpbench.flow.stopping import Stopped
from cpbench.training import load_config, train

SETTINGS, DATA, FOLDER, PARTS = sys.argv[1:]
main(["train", "--config", SETTINGS, "--data", DATA, "--out", f"{FOLDER}/two", "--threads", "1"])
gc.freeze()  # what the libraries hold is no garbage: accelerate looks for some before each stage


asked = cycle([False, False, os.environ["RANK"] == "1"])  # of one rank alone: both stop, at the third step
harder = ["sizes.encoder.dropout=0.2", "masked_frames=0.1", "level_jitter=1.0", "save_every=2"]
config = load_config(SETTINGS, data=[DATA], out=f"{FOLDER}/whole", changes={"threads": 1}, settings=harder)
train(config)
config = dataclasses.replace(config, out=f"{FOLDER}/again")
ended = 0
for _ in range(2):
    try:
        train(config, stop=lambda: next(asked))
    except Stopped:
        ended += 1
train(config)
print(f"stopped {ended} times, finished")

given = Path(PARTS), Path(DATA), Path(FOLDER)
split.trained(*given, None)
try:
    split.trained(*given, "fsdp")
except UserError as refused:
    print(f"on CPUs: {refused}")
split.pretend_a_gpu()
try:
    train(dataclasses.replace(config, out=f"{FOLDER}/refused", sharding="fsdp"))
except UserError as refused:
    print(f"with losses on frames: {refused}")
split.trained(*given, "fsdp")
