"""The defaults of a machine: device, number format, threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cpbench.flow import device


def test_a_cpu_computes_in_float32_and_a_gpu_in_half_precision() -> None:
    assert device.best_dtype("cpu") == "float32"
    best = device.best_device({})
    assert best == "cpu" or device.best_dtype(best) in ("bfloat16", "float16")


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({}, 8),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"LOCAL_WORLD_SIZE": "4"}, 2),
        ({"LOCAL_WORLD_SIZE": "4", "OMP_NUM_THREADS": "1"}, 2),  # torchrun's own default
        ({"LOCAL_WORLD_SIZE": "16"}, 1),
        ({"OMP_NUM_THREADS": "many"}, 8),
    ],
)
def test_threads_are_shared_among_ranks(
    environment: dict[str, str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "processors", lambda: 8)
    assert device.threads_per_rank(environment) == threads


def test_a_container_s_quota_bounds_the_processors(tmp_path: Path) -> None:
    allowed = len(os.sched_getaffinity(0))
    quota = tmp_path / "cpu.max"
    assert device.processors(quota) == allowed
    quota.write_text("max 100000\n")
    assert device.processors(quota) == allowed
    quota.write_text("100000 100000\n")
    assert device.processors(quota) == 1
    quota.write_text("50000 100000\n")
    assert device.processors(quota) == 1
