"""Whether a part hangs: what it should touch as it comes round with its work stays as it is.

The supervisor counts its own looks and compares each file with what it was at the look before: a machine that slept or a clock
that was set makes nobody look hung.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

#: Between two looks, s.
LOOK_S: Final = 5.0
#: So many looks in a row may find a file untouched: longer than a part's own watchdog takes, which can say where it hangs.
LOOKS: Final = 18


class Hanging:
    """Looks at the files of one run of a part; forgets what an earlier run left.

    Args:
        files: each is judged once it is there: a start may take long.
    """

    def __init__(self, files: Iterable[Path], looks: int = LOOKS) -> None:
        self._looks = looks
        self._seen: dict[Path, tuple[int, int]] = {}
        self._files = tuple(files)
        for file in self._files:
            file.unlink(missing_ok=True)

    def look(self) -> Path | None:
        """Looks once; the file that nobody touches any more, None where all is well."""
        for file in self._files:
            try:
                touched_ns = file.stat().st_mtime_ns
            except OSError:
                continue
            before_ns, missed = self._seen.get(file, (touched_ns, -1))
            missed = missed + 1 if touched_ns == before_ns else 0
            self._seen[file] = touched_ns, missed
            if missed >= self._looks:
                return file
        return None

    async def until_hung(self, look_s: float = LOOK_S) -> str:
        """Returns once the part hangs, with what it did not do, for people."""
        while True:
            await asyncio.sleep(look_s)
            if (file := await asyncio.to_thread(self.look)) is not None:
                return f"hung: it has not touched {file.name} for {self._looks * look_s:g} s"
