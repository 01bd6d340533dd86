"""What the replay makes of many made-up logs, in one hash: `python -m tests.core_state.digest`."""

from __future__ import annotations

import hashlib
import sys
from random import Random

from schemas.codec import codec
from streams.core import changes, workspace
from streams.core.facts import Position
from streams.replay.refold import RawFact, Refold
from tests.core_state.makers import TOPIC
from tests.core_state.test_properties import POOL

LOGS = 150


def main() -> None:
    """Folds facts from Avro, each log in the same order; also says which code did it."""
    found = hashlib.sha256()
    values = [codec("fact").encode(record) for record in POOL]
    for seed in range(LOGS):
        log = Random(seed).choices(values, k=40)
        again = Refold()
        for state, told in again.take(RawFact(value, Position(1, 0, offset)) for offset, value in enumerate(log)):
            for change in told:
                found.update(repr((changes.to_record(change, TOPIC), state.seq)).encode())
        found.update(repr((again.facts, again.refused, again.event_ids)).encode())
        for state in again.states.values():
            found.update(workspace.to_bytes(state))
            found.update(repr(workspace.to_record(state)).encode())
    sys.stdout.write(f"{found.hexdigest()} {workspace.__file__}\n")


if __name__ == "__main__":
    main()
