"""Memory does not grow with the clips: the peak above the loaded model for 5,000 clips of 30 s beside that for 500.

Each run is a process of its own. The clips are noise of a bit or two, the same in each: what makes every file another
one is a number in a block of its header.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from beside import TESTS, module_at

TINY = module_at(TESTS / "models" / "local" / "tiny.py")
RUNS = module_at(Path(__file__).with_name("runs.py"))
FEW = int(os.environ.get("CPBENCH_PERF_CLIPS", "0"))
LEAST, MOST = (FEW, 4 * FEW) if FEW else (500, 5000)
STREAMINFO = 4 + 4 + 34  # bytes: the mark of a FLAC file and its first block
pytestmark = pytest.mark.performance


def tiny(folder: Path) -> Path:
    """`speechlm` with two narrow layers each, but a window of 30 s and 80 mel bands, as checkpoints in use have."""
    import cpbench.speechlm as own

    own.register()
    tokenizer = TINY._tokenizer(["<|audio|>"])
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    config = own.SpeechLMConfig(
        encoder_config=own.SpeechEncoderConfig(**size),
        text_config=TINY._text(tokenizer),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio|>"),
        window_seconds=30.0,
    )
    processor = own.SpeechLMProcessor(
        own.LogMelExtractor(),
        tokenizer,
        chat_template=TINY.CHATML.replace("AUDIO", "<|audio|>"),
        window_seconds=30.0,
        mel_frames_per_embedding=config.mel_frames_per_embedding,
    )
    return TINY._save(folder, own.SpeechLMForConditionalGeneration, config, processor, 0)  # type: ignore[no-any-return]


def clips(folder: Path, count: int) -> Iterator[Path]:
    """So many FLAC files of 30 s, no two of the same bytes."""
    draw = np.random.default_rng(0)
    first = folder / "first.flac"
    soundfile.write(first, draw.integers(-2, 3, 30 * 16000).astype(np.int16), 16000)
    data = first.read_bytes()
    assert data[:4] == b"fLaC" and data[4] == 0  # another block follows the first
    for number in range(count):
        path = folder / f"{number}.flac"
        application = bytes([2, 0, 0, 8]) + b"test" + number.to_bytes(4, "big")
        path.write_bytes(data[:STREAMINFO] + application + data[STREAMINFO:])
        yield path


def measured(checkpoint: Path, folder: Path, files: list[Path]) -> dict[str, Any]:
    """What flat_memory.py says of a run on these clips, one question each."""
    folder.mkdir()
    items = RUNS.asked_of(files, folder / "items.jsonl", questions=1)
    program = [sys.executable, str(Path(__file__).with_name("flat_memory.py")), checkpoint, items, folder / "run"]
    env = {**os.environ, "PYTHONPATH": str(TESTS), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(list(map(str, program)), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["answers"] == len(files)
    return said


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[Path]]:
    """All the clips; a gigabyte is not left behind."""
    made = list(clips(tmp_path, MOST))
    yield made
    for file in made:
        file.unlink()


def test_the_peak_of_5000_clips_is_that_of_500(files: list[Path], tmp_path: Path, figure: Callable[..., None]) -> None:
    checkpoint = tiny(tmp_path / "speechlm")
    few = measured(checkpoint, tmp_path / "few", files[:LEAST])
    many = measured(checkpoint, tmp_path / "many", files)
    above = [said["peak"] - said["loaded"] for said in (few, many)]
    print(f"\n{few}\n{many}")
    sizes = f"{above[1]:.0f} MiB for {MOST:,} clips of 30 s, {above[0]:.0f} MiB for {LEAST:,}"
    on = f"{sizes}; one question each; a tiny speechlm"
    figure("4. memory above the loaded model, ten times the clips", above[1] / above[0], bound=1.1, unit="x", on=on)
    assert FEW or above[1] <= 1.1 * above[0]
