"""The broker of an embedded tree: librdkafka's own, in memory, on loopback, alive as long as its process.

It keeps about 5 MB a partition and nothing over its end: a wire, not a log. librdkafka calls it a mock cluster. Its
Python package can switch one on (`test.mock.num.brokers`), but not set what we need: the number of partitions, and
the 3 s that it would let every group wait for further members. Hence the C functions of `rdkafka_mock.h`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import WstError
from schemas.topics import POSITION_HEADER

if TYPE_CHECKING:
    from schemas.journal import Entry

#: Every topic's in an embedded tree, whatever a cluster elsewhere has.
PARTITIONS: Final = 4

_RD_KAFKA_PRODUCER: Final = 0
#: Members of a group are started together; two that join one after the other cost one more rebalance.
_GROUP_WAIT_MS: Final = 50
_ERROR_BYTES: Final = 512
_CONNECT_S: Final = 10.0
_PRODUCER: Final[dict[str, Any]] = {
    # Nothing gets lost on the way within a process, but a retry may not change the order.
    "enable.idempotence": True,
    "linger.ms": 1,
    # The broker answers a fetch with one produced batch of a partition: batches as large as is good for a fetch.
    "batch.size": 262_144,
    "message.max.bytes": 4_194_304,
    "queue.buffering.max.kbytes": 65_536,
    "log_level": 4,
}


def start_cluster(topics: Iterable[str], partitions: int) -> str:
    """Starts a broker in this process and returns its address, `127.0.0.1:PORT`; it ends with the process.

    Args:
        topics: made at once, with that many partitions each; others appear on first use, with four.

    Raises:
        WstError: it does not come up, or this confluent-kafka has no such functions.
    """
    from confluent_kafka import cimpl

    # The extension module leads to the librdkafka it was linked with, wherever that lies.
    library = ctypes.CDLL(cimpl.__file__)
    try:
        new, topic_create = library.rd_kafka_mock_cluster_new, library.rd_kafka_mock_topic_create
        bootstraps, group_wait = library.rd_kafka_mock_cluster_bootstraps, library.rd_kafka_mock_group_initial_rebalance_delay_ms
    except AttributeError as error:
        raise WstError(f"this confluent-kafka carries no broker ({error})", "pip install --upgrade 'workspace-status[embedded]'") from error
    new.restype, new.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]
    bootstraps.restype, bootstraps.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    group_wait.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    cluster = new(_handle(library), 1)
    if not cluster:
        raise WstError("the embedded broker does not start", "is loopback up?")
    group_wait(cluster, _GROUP_WAIT_MS)
    for topic in topics:
        if topic_create(cluster, topic.encode(), partitions, 1):
            raise WstError(f"the embedded broker does not take the topic {topic}", "set another WST_TOPIC_PREFIX")
    return str(bootstraps(cluster).decode())


def _handle(library: ctypes.CDLL) -> int:
    """A client handle, which a cluster wants for its threads and its log."""
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    said = ctypes.create_string_buffer(_ERROR_BYTES)
    config = library.rd_kafka_conf_new()
    # Of a handle that connects nowhere it would say that it cannot connect.
    library.rd_kafka_conf_set(config, b"log_level", b"3", said, _ERROR_BYTES)
    handle = library.rd_kafka_new(_RD_KAFKA_PRODUCER, config, said, _ERROR_BYTES)
    if not handle:
        raise WstError("the embedded broker does not start", said.value.decode("utf-8", "replace"))
    return int(handle)


class Wire:
    """The way to produce to the broker, partition by partition.

    Args:
        bootstrap: its address.
    """

    def __init__(self, bootstrap: str) -> None:
        from confluent_kafka import Producer

        self._producer = Producer({**_PRODUCER, "bootstrap.servers": bootstrap})
        # Connects now: an idempotent producer that is not when its first record comes waits half a second.
        self._producer.list_topics(timeout=_CONNECT_S)

    def send(self, entry: Entry) -> None:
        """Queues an entry of the journal for its partition, with its number in the header `POSITION_HEADER`."""
        record = entry.record
        headers: Sequence[tuple[str, bytes]] = (*record.headers, (POSITION_HEADER, b"%d" % entry.seq))
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


def _delivered(error: Any, _message: Any) -> None:
    if error is not None:
        # A hole in the wire that a reader would never notice: end, so that the wire begins anew at the cursors.
        os.write(2, f"wst: the embedded broker refused a record ({error}): it starts again\n".encode())
        os._exit(1)
