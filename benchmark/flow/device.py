"""Which device, which number format, how many threads: the defaults, where the user names none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

DType = Literal["float32", "bfloat16", "float16"]
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000": two processors' worth of time; "max 100000": no bound


def best_device(environment: Mapping[str, str] = os.environ) -> str:
    """The fastest device of this process: its own GPU where several ranks share a machine, else `mps`, else `cpu`."""
    import torch

    if torch.cuda.is_available():
        return f"cuda:{int(environment.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def best_dtype(device: str) -> DType:
    """bfloat16 on a GPU that computes in it, else float16; float32 on a CPU, which is slower in both."""
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "float16" if device.startswith("mps") else "float32"


def threads_per_rank(environment: Mapping[str, str] = os.environ) -> int:
    """How many threads a process may compute with: the processors allowed to it, shared among the machine's ranks.

    OMP_NUM_THREADS holds where a user set it. torchrun sets it to 1 for several ranks when nobody did, and would leave
    most of a machine idle, so under several ranks a 1 is taken for its.
    """
    ranks = max(1, int(environment.get("LOCAL_WORLD_SIZE", "1")))
    asked = environment.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0 and not (ranks > 1 and asked == "1"):
        return int(asked)
    return max(1, processors() // ranks)


def use_all_cores() -> int:
    """Let torch compute with as many threads as this rank may use; returns their number."""
    import torch

    threads = threads_per_rank()
    torch.set_num_threads(threads)
    return threads


def processors(quota: Path = _QUOTA) -> int:
    """The processors that this process may use: its affinity (job schedulers), bounded by a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not quota.is_file():
        return allowed
    share, period = quota.read_text().split()
    return allowed if share == "max" else max(1, min(allowed, round(int(share) / int(period))))
