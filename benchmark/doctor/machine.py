"""The machine: what computes, whether sound files can be read, programs, and room on the disk."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cpbench.doctor.findings import Finding, homeless

PATIENCE = 120.0  # seconds for torch to be imported: a cluster's file system may need them
ROOM = 2e9  # bytes free: under this a run may end with a full disk
GIGA = 1e9
REINSTALL = "pip install --force-reinstall soundfile soxr; on Linux the system's libsndfile1"
NO_CUDA = "a torch that is built for it: make install TORCH_INDEX=ADDRESS, into a new environment"


def ask_torch() -> subprocess.Popen[str]:
    """Start the process that imports torch; `device` reads it."""
    words = [sys.executable, "-m", "cpbench.doctor.probe"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def device(process: subprocess.Popen[str], environment: Mapping[str, str]) -> list[Finding]:
    """What torch found: where a model would run, in which number format, with which attention kernels."""
    try:
        out, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return [_no_torch(f"its import took more than {PATIENCE:.0f} s")]
    if process.returncode != 0:
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no message")
        return [_no_torch(last if process.returncode > 0 else f"it died of signal {-process.returncode}; {last}")]
    told = json.loads(out.splitlines()[-1])
    lines = [_runs_on(told), _cpu(told), *(_gpu(n, gpu) for n, gpu in enumerate(told["gpus"]))]
    lines += _hidden(told, environment)
    if told["gpus"]:
        lines.append(_attention(told))
    for name, why in told["broken"].items():
        mend = f"pip uninstall {name}, which cpbench does not need; or the build that fits torch {told['torch']}"
        lines.append(Finding("device", name, "missing", f"is installed and cannot be imported: {why}", mend))
    return lines


def audio() -> list[Finding]:
    """Whether a packaged clip can be decoded and resampled, and whether the packaged model is all there."""
    from importlib.resources import files

    demo = Path(str(files("cpbench.tasks") / "demo" / "clips"))
    weights = Path(str(files("cpbench") / "checkpoints" / "demo" / "model.safetensors"))
    packed = weights.is_file() and weights.stat().st_size > 100_000  # a pointer of git-lfs has 130 bytes
    mend = "pip install --force-reinstall cpbench; in a clone, git lfs pull"
    says = "is here" if packed else "its weights are missing"
    model = Finding("packages", "the demo model", "ok" if packed else "broken", says, None if packed else mend)
    return [_decoded(next(iter(sorted(demo.glob("*.*"))), None)), model]


def _decoded(path: Path | None) -> Finding:
    """What becomes of one clip, through the same code as in a run."""
    if path is None:
        return Finding(
            "packages", "the demo's clips", "broken", "none is packaged", "pip install --force-reinstall cpbench"
        )
    try:
        from cpbench.audio import clip, load
        from cpbench.errors import BadClip
        from cpbench.records import Sound
    except (ImportError, OSError) as error:  # OSError: a shared library that a wheel lacks
        return Finding("packages", "audio", "broken", f"{type(error).__name__}: {error}", REINSTALL)
    try:
        heard = load(Sound(clip(path)), 8000)
    except (BadClip, ImportError, OSError) as error:
        return Finding("packages", "audio", "broken", f"a packaged clip cannot be heard: {error}", REINSTALL)
    return Finding(
        "packages", "audio", "ok", f"soundfile and soxr decode and resample ({path.suffix[1:]}, {heard.seconds:.1f} s)"
    )


def programs() -> list[Finding]:
    """Programs that parts of cpbench call, or that prepare what it reads."""
    wanted = {
        "espeak-ng": "speaks synthetic corpora: train --data synthetic, make miniature",
        "ffmpeg": "is never called; it turns what cpbench does not read (m4a, aac, video) into wav or flac",
    }
    return [_program(name, what) for name, what in wanted.items()]


def disk(folder: Path) -> list[Finding]:
    """Room where runs are written."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / GIGA:.1f} GB free for {homeless(folder)}"
    if not os.access(there, os.W_OK):
        return [Finding("disk", "runs", "missing", f"{homeless(there)} cannot be written to", "--out DIR")]
    state, mend = ("ok", None) if free >= ROOM else ("missing", "room on that disk, or --out on another one")
    return [Finding("disk", "runs", state, says, mend)]  # type: ignore[arg-type]


def _no_torch(why: str) -> Finding:
    return Finding("device", "torch", "broken", f"cannot be imported: {why}", "make install, into a new environment")


def _runs_on(told: Mapping[str, Any]) -> Finding:
    build = f"CUDA {told['cuda']}" if told["cuda"] else f"ROCm {told['hip']}" if told["hip"] else "no GPU in this build"
    says = f"models run on {told['device']} in {told['dtype']} (torch {told['torch']}, {build})"
    return Finding("device", "device", "ok", says)


def _cpu(told: Mapping[str, Any]) -> Finding:
    return Finding(
        "device", "cpu", "ok", f"{told['processors']} processors for this process, {told['threads']} threads"
    )


def _gpu(n: int, gpu: Mapping[str, Any]) -> Finding:
    capability = ".".join(map(str, gpu["capability"]))
    says = f"{gpu['name']}, {gpu['free'] / GIGA:.1f} of {gpu['total'] / GIGA:.1f} GB free, compute {capability}, "
    return Finding("device", f"gpu {n}", "ok", says + ("bfloat16" if gpu["bf16"] else "no bfloat16: float16 is used"))


def _hidden(told: Mapping[str, Any], environment: Mapping[str, str]) -> list[Finding]:
    """A GPU that is there, or is said to be, and that torch does not see."""
    if told["gpus"] or told["mps"]:
        return []
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and told["cuda"]:
        return [Finding("device", "gpu", "note", f"none is seen; CUDA_VISIBLE_DEVICES is {visible!r}")]
    if shutil.which("nvidia-smi") is None:
        return [Finding("device", "gpu", "note", "none")]
    if told["cuda"] is None:
        return [Finding("device", "gpu", "missing", "nvidia-smi is here, and this torch has no CUDA", NO_CUDA)]
    mend = "nvidia-smi, to see whether the driver answers; it may be older than this CUDA"
    return [
        Finding("device", "gpu", "missing", f"nvidia-smi is here, and torch's CUDA {told['cuda']} sees no GPU", mend)
    ]


def _attention(told: Mapping[str, Any]) -> Finding:
    try:
        flash = f"flash-attn {importlib.metadata.version('flash-attn')}"
    except importlib.metadata.PackageNotFoundError:
        flash = "no flash-attn package (-M attn=flash_attention_2 needs it; sdpa does without)"
    return Finding("device", "attention", "ok", f"sdpa with {', '.join(told['sdpa'])}; {flash}")


def _program(name: str, what: str) -> Finding:
    if (path := shutil.which(name)) is not None:
        return Finding("programs", name, "ok", f"{homeless(path)}: {what}")
    return Finding("programs", name, "note", f"not on the PATH: {what}", f"the system's package {name}")
