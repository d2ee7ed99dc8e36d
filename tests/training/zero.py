"""One of the ranks that torchrun starts: the trainings of `split.py` by DeepSpeed. A script."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import split

PARTS, DATA, FOLDER, STAGE = sys.argv[1:]
settings = Path(FOLDER) / f"zero{STAGE}.json"
settings.write_text(json.dumps({"zero_optimization": {"stage": int(STAGE)}}))
split.trained(Path(PARTS), Path(DATA), Path(FOLDER), "deepspeed", way=f"zero{STAGE}", sharding_config=str(settings))
