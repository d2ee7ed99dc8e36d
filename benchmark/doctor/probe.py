"""`python -m cpbench.doctor.probe`: what torch finds on this machine, as one JSON object.

It is a process of its own: torch may be broken, or die of a broken driver, and its import takes a second or more.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from typing import Any

BESIDE = ("torchvision", "torchaudio", "torchcodec")
"""Nothing of ours needs them; but where one is installed and does not fit torch, classes of transformers break."""


def look() -> dict[str, Any]:
    """What torch says of itself, the CPU and the accelerators."""
    import torch

    from cpbench.flow.device import best_device, best_dtype, processors, threads_per_rank

    device = best_device()
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "device": device,
        "dtype": best_dtype(device),
        "processors": processors(),
        "threads": threads_per_rank(),
        "gpus": [_gpu(torch, n) for n in range(torch.cuda.device_count())],
        "mps": torch.backends.mps.is_available(),
        "sdpa": [name for name in ("flash", "mem_efficient", "cudnn", "math") if _enabled(torch, name)],
        "broken": {name: why for name in BESIDE if (why := _breaks(name)) is not None},
    }


def _gpu(torch: Any, n: int) -> dict[str, Any]:
    about, (free, total) = torch.cuda.get_device_properties(n), torch.cuda.mem_get_info(n)
    return {
        "name": about.name,
        "capability": [about.major, about.minor],
        "total": total,
        "free": free,
        "bf16": about.major >= 8 if torch.version.cuda else torch.cuda.is_bf16_supported(including_emulation=False),
    }


def _enabled(torch: Any, name: str) -> bool:
    enabled = getattr(torch.backends.cuda, f"{name}_sdp_enabled", None)
    return enabled is not None and bool(enabled())


def _breaks(name: str) -> str | None:
    """Why an installed package cannot be imported; None: it can, or is not installed."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever it raises is what is looked for
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return None


if __name__ == "__main__":
    print(json.dumps(look()))
