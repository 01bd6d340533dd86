"""Only the owner writes: the right to send, held for half a session after each proof of membership.

A worker that was paused learns late that its partitions belong to another. What it then still sends would overwrite
its successor's changelog, and compaction would keep the stale record for ever. The group waits a whole session
before it gives the partitions away; whoever sends only within half of it after a heartbeat, and gives up what is
not delivered within the other half, can have overwritten nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas.steady import steady_clock
from streams.lane.ending import End

#: A share of the session: the delivery of what was sent just before the lease ran out still ends within the session.
_DELIVERY_SHARE: Final = 0.4


class Lease:
    """Holds for half a session after the last heartbeat that the group answered.

    Args:
        session_s: the group's session timeout, seconds.
        end: what happens to a process that would send without the lease.
    """

    def __init__(self, session_s: float, end: End, clock: Callable[[], float] = steady_clock) -> None:
        self.session_s = session_s
        self.delivery_s = session_s * _DELIVERY_SHARE
        self.clock = clock
        self._end = end
        self._proven_at: float | None = None

    def renew(self, asked_at: float) -> None:
        """The group has answered a heartbeat.

        Args:
            asked_at: when the heartbeat was SENT: the group's own count of the session starts no earlier.
        """
        self._proven_at = asked_at

    def check(self) -> None:
        """Called right before anything is sent; ends the process when the lease has run out."""
        if self._proven_at is None:
            self._end("it would send before the group has confirmed its membership")
        age_s = self.clock() - self._proven_at
        if age_s > self.session_s / 2:
            self._end(f"the group last confirmed its membership {age_s:.1f} s ago, more than half of a session of {self.session_s:g} s")
