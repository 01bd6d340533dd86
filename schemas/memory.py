"""What a long-running process tells the C library and Python's collector about its memory."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

# Of glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
#: What malloc begins with, and raises to 32 MiB as a process frees large blocks, unless it is told, bytes.
_LARGE: Final = 128 << 10


def keep_little() -> None:
    """Lets all threads share one heap, and gives large blocks back when they are freed.

    Else each thread that fetches or decodes has a heap of its own, in which batches leave holes that no other thread fills: half of
    what a worker with 4,000 containers held. Python's lock keeps threads from allocating at once anyway. Before threads are
    started; where the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_ARENA_MAX, 1), (_TRIM_THRESHOLD, _LARGE), (_MMAP_THRESHOLD, _LARGE)):
            mallopt(option, value)


def calm_collector(full_after: int = 100_000) -> None:
    """Keeps Python's garbage collector from walking all values of all tables, again and again, with the loop standing still.

    With 100,000 workspaces a full collection held the loop for more than a second. Values hold no cycles; what garbage there
    is in cycles is young, and the younger generations are collected as before, though less often.

    Args:
        full_after: a full collection comes after so many of the middle generation, each of a million objects: as good as never. What
            keeps no values can afford some.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, full_after)
