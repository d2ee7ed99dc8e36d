"""The door to the models: anything that answers a request.

    load_model("openai/gpt-audio", {"concurrency": "4"}).answer(turns)

A spec is, in this order:

* `demo`, the packaged checkpoint; `hf/ID`, a checkpoint on the Hub or a folder, never anything else;
* NAME, NAME/ARGUMENT or NAME:ARGUMENT, where NAME is a file of this folder or an entry point of the group
  `cpbench.models`: `echo`, `openai/gpt-audio`, `command:./worker.py`. The argument is the part's first option;
* `FILE.py:CLASS`, a class of one's own with the one method `answer(turns)`;
* the path of a checkpoint's folder; else ORG/NAME on the Hub.

So `openai/whisper-tiny` is asked of an endpoint even though the Hub has that id (`hf/openai/whisper-tiny` is the
checkpoint), and a folder called `echo` is `./echo`. What has the form ORG/NAME is a missing folder, not a Hub id, where
a folder ORG exists.
"""

from __future__ import annotations

from cpbench.models._null import BASELINES
from cpbench.models._spec import load_model
from cpbench.models._worker import write_worker

__all__ = ["BASELINES", "load_model", "write_worker"]
