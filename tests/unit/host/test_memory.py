"""The heaps of the C library, in a process of its own: the setting is for the whole process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_COUNT_HEAPS = """
import ctypes, os, sys, threading
from mediaposter.host.memory import share_heaps
print(share_heaps(os.environ))
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
all_there = threading.Barrier(6)
def take() -> None:
    libc.malloc(100_000)
    all_there.wait()
threads = [threading.Thread(target=take) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.stdout.flush()
libc.malloc_stats()
"""

_FREE_MOST = """
import ctypes
from pathlib import Path
from mediaposter.host.memory import release_free_pages
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_size_t,), (ctypes.c_void_p,)
def read_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) / 256
blocks = [libc.malloc(20_000) for _ in range(2_000)]
for block in blocks: ctypes.memset(block, 1, 20_000)
for block in blocks[:-1]: libc.free(block)
before = read_mib()
print(release_free_pages(), before - read_mib() > 30)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the heaps of threads are glibc's")
@pytest.mark.parametrize(("variables", "heaps"), [({}, 2), ({"MALLOC_ARENA_MAX": "3"}, 3)])
def test_threads_share_two_heaps_unless_the_environment_says_otherwise(variables: dict[str, str], heaps: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_HEAPS],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == str(not variables)
    assert done.stderr.count("Arena ") == heaps


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps what is free")
def test_what_is_free_below_a_block_that_lives_on_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _FREE_MOST], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["True", "True"]
