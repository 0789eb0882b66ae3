"""Keep the memory of a host that runs for months flat.

What Python holds of a host does not grow, but what the C library kept of freed memory did, by 2 MiB with every two
hundred videos: a block that lives on keeps what is free below it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

# mallopt(3): glibc gives each thread a heap of its own, up to eight for each core, and reuses in one what was freed
# there alone.
_M_ARENA_MAX = -8
_ARENAS = 2


def share_heaps(environ: Mapping[str, str]) -> bool:
    """Have all threads share two heaps of the C library, where that is glibc; tell whether they do.

    It counts for threads that begin later. `MALLOC_ARENA_MAX` in the environment goes before.
    """
    if "MALLOC_ARENA_MAX" in environ or not _is_glibc():
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))


def release_free_pages() -> bool:
    """Give the system back what is free in the heaps, where the C library is glibc; tell whether there was any.

    It takes milliseconds (malloc_trim(3)).
    """
    return _is_glibc() and bool(ctypes.CDLL(None).malloc_trim(0))


def _is_glibc() -> bool:
    if not hasattr(os, "confstr"):
        return False
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):  # musl and macOS know no such name
        return False
