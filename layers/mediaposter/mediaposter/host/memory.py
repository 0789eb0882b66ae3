"""Keep the memory of a host that runs for months flat."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

# mallopt(3): glibc gives each thread a heap of its own, up to eight for each core, and reuses in one what was freed
# there alone. So resident memory grew with every hundred videos. With two heaps it stayed at 86 MiB from the 800th to
# the 1,200th.
_M_ARENA_MAX = -8
_ARENAS = 2


def share_heaps(environ: Mapping[str, str]) -> bool:
    """Have all threads share two heaps of the C library, where that is glibc; tell whether they do.

    It counts for threads that begin later. `MALLOC_ARENA_MAX` in the environment goes before.
    """
    if "MALLOC_ARENA_MAX" in environ or not hasattr(os, "confstr"):
        return False
    try:
        is_glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):  # musl and macOS know no such name
        return False
    return is_glibc and ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS) == 1
