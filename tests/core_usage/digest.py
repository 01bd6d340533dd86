"""What the fold makes of many made-up logs, in one hash: `python -m tests.core_usage.digest`."""

from __future__ import annotations

import hashlib
import sys
from random import Random

from schemas.codec import codec
from schemas.tick_decoder import decode_tick
from schemas.usage_encoder import encode_samples
from streams.core import usage
from streams.core.facts import Position
from streams.core.usage import fold_tick, initial, publish_owed
from streams.core.usage_bytes import from_bytes, to_bytes
from tests.core_usage.logs import made_log

LOGS = 60


def main() -> None:
    """Folds ticks from Avro to Avro, each value through its bytes now and then; also says which code did it."""
    found = hashlib.sha256()
    encode = codec("usage").encode
    for seed in range(LOGS):
        state = initial("shop@laptop")
        for offset, tick in enumerate(made_log(Random(seed), 60, engines=2)):
            decoded = decode_tick(codec("stats_tick").encode(tick))
            at_ms = decoded["tick_at_ns"] // 10**6
            state, outputs = fold_tick(state, decoded, Position(1, 0, offset), at_ms)
            if offset % 7 == 0:
                outputs = [*outputs, *publish_owed(state, at_ms + 60_000)]
            for output in outputs:
                found.update(encode_samples(output) if output["kind"] == "samples" else encode(output))
            if offset % 20 == 0:
                state = from_bytes(to_bytes(state))
        found.update(to_bytes(state))
    sys.stdout.write(f"{found.hexdigest()} {usage.__file__}\n")


if __name__ == "__main__":
    main()
