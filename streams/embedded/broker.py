"""The broker of an embedded tree: librdkafka's own, in memory, on loopback, alive as long as its process.

It keeps about 5 MB a partition and nothing over its end: a wire, not a log. librdkafka calls it a mock cluster;
`test.mock.num.brokers` is its documented switch, and the producer that carries it is the one that feeds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import WstError

if TYPE_CHECKING:
    from schemas.journal import Entry

#: Every topic's, made on first use; the broker knows no other number.
PARTITIONS: Final = 4
#: Name of the header with a record's number in the journal, ASCII digits.
POSITION: Final = "wst-position"

_START_S: Final = 10.0
_FLUSH_S: Final = 2.0
_CONFIG: Final[dict[str, Any]] = {
    "test.mock.num.brokers": 1,
    # In this process nothing gets lost on the way, but a retry may not change the order.
    "enable.idempotence": True,
    "linger.ms": 1,
    # The broker answers a fetch with one produced batch of a partition: batches as large as is good for a fetch.
    "batch.size": 262_144,
    "message.max.bytes": 4_194_304,
    "queue.buffering.max.kbytes": 65_536,
    "log_level": 4,
}


class Broker:
    """A broker on a loopback port of its own choice, and the way to produce to it.

    Args:
        topics: full names to make at once; others appear on first use.

    Raises:
        WstError: it does not come up.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        from confluent_kafka import KafkaException, Producer

        self._producer = Producer(_CONFIG)
        try:
            brokers = self._producer.list_topics(timeout=_START_S).brokers
            for topic in topics:
                self._producer.list_topics(topic, timeout=_START_S)
        except KafkaException as error:
            raise WstError("the embedded broker does not start", str(error)) from error
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())

    def send(self, entry: Entry) -> None:
        """Queues an entry of the journal for its partition, with its number in the header `wst-position`."""
        record = entry.record
        headers: Sequence[tuple[str, bytes]] = (*record.headers, (POSITION, b"%d" % entry.seq))
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    entry.partition,
                    on_delivery=_delivered,
                    timestamp=record.timestamp_ms,
                    headers=list(headers),
                )
                return
            except BufferError:
                self._producer.poll(0.05)

    def serve(self) -> None:
        """Looks at the broker's answers; ends the process when a record was refused."""
        self._producer.poll(0)

    def close(self) -> None:
        """Hands over what is queued; what does not get through in time is in the journal."""
        self._producer.flush(_FLUSH_S)


def _delivered(error: Any, _message: Any) -> None:
    if error is not None:
        # A hole in the wire that a reader would never notice: end, so that the wire begins anew at the cursors.
        os.write(2, f"wst: the embedded broker refused a record ({error}): it starts again\n".encode())
        os._exit(1)
