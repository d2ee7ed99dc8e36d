from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the heap of glibc")
HOLES = """
from pathlib import Path
from cpbench.flow.memory import give_back

def resident():
    return int(next(line for line in Path("/proc/self/status").open() if line.startswith("VmRSS")).split()[1]) / 1024

before = resident()
blocks = [bytearray(b"x") * 60_000 for _ in range(2_000)]  # 114 MB, below the size that glibc maps by itself
full = resident()
kept = blocks[::100]  # one in a hundred holds the rest of the heap
del blocks
freed = resident()
give_back()
print(full - before, freed - before, resident() - before)
"""


def test_freed_memory_goes_back_to_the_system() -> None:
    said = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True).stdout
    full, freed, after = map(float, said.split())
    assert full > 100
    assert freed > 60  # or there is nothing to give back
    assert after < 20
