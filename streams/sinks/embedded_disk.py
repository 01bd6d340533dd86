"""What the engine in process does not say: that its disk refused a write.

Where ClickHouse fails an insert or a merge because the operating system takes no more, chDB goes on (seen of five versions,
3.7.2 to 4.4.0): the part lacks bytes, is reported as done, and whoever reads it later fails. But it counts such writes; and when it is
opened, it leaves aside a part whose files are not as long as they should be and takes those that it was merged from, which stay
for eight minutes. So nothing is written to a disk that is nearly full, and an engine whose writes failed is opened anew, by
another process, before anything is committed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from clickhouse_connect.driver import Client

from schemas.errors import Unreachable

#: With less than this there are neither inserts nor merges, bytes: what others may take while one of them runs.
ROOM: Final = 64 << 20

_FAILED: Final = "SELECT sum(value) FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'"

#: Directories whose engine was told to merge no more.
_without_merges: Final[set[Path]] = set()


def may_write(directory: Path, client: Client) -> bool:
    """Whether something may be written there; where not, merges stop, until it may again."""
    if has_room := shutil.disk_usage(directory).free >= ROOM:
        if directory in _without_merges:
            client.command("SYSTEM START MERGES")
            _without_merges.remove(directory)
    else:
        client.command("SYSTEM STOP MERGES")
        _without_merges.add(directory)
    return has_room


def check(directory: Path, client: Client) -> None:
    """Makes sure that all the engine wrote since this process opened it is on disk.

    Raises:
        Unreachable: some is not; another process has to open it.
    """
    failed = int(client.query(_FAILED).result_rows[0][0])
    if failed:
        raise Unreachable(
            f"the disk under the archive in {directory} took not all that was written ({failed} writes failed): is it full?",
            "make room on it; opened again within eight minutes, which `wst up` does by itself, the archive is whole",
        )
