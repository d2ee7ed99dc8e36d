"""One of the ranks that torchrun starts: `cpbench train`, and then in the same processes (to import torch is most of
the time) a training with dropout and augmentation, whole, and the same one ended twice and gone on with. A script.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from itertools import cycle

from cpbench.cli import main
from cpbench.flow.stopping import Stopped
from cpbench.training import load_config, train

SETTINGS, DATA, FOLDER = sys.argv[1:]
main(["train", "--config", SETTINGS, "--data", DATA, "--out", f"{FOLDER}/two", "--threads", "1"])


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
