"""How far consumer groups are behind, as Kafka itself knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from schemas.kafka import broker_away, client_arguments
from schemas.settings import Settings


async def group_lag(settings: Settings, groups: Mapping[str, str]) -> dict[str, int]:
    """Records between what a group has committed and the end, by topic and reader; one that has committed nothing is not told.

    Args:
        groups: group ids by what people call the reader.

    Raises:
        Unreachable: no broker answers.
    """
    found: Counter[str] = Counter()
    admin = AIOKafkaAdminClient(**client_arguments(settings), request_timeout_ms=10_000)
    consumer = AIOKafkaConsumer(**client_arguments(settings), enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        for reader, group in groups.items():
            try:
                offsets = await admin.list_consumer_group_offsets(group)
            except GroupCoordinatorNotAvailableError:
                continue  # on a broker where nobody has ever committed anything
            committed = {partition: at.offset for partition, at in offsets.items() if at.offset >= 0}
            ends = await consumer.end_offsets(list(committed)) if committed else {}
            for partition, end in ends.items():
                found[f"{partition.topic} ({reader})"] += max(0, end - committed[partition])
    except (KafkaError, OSError) as error:
        raise broker_away(settings, error) from error
    finally:
        await consumer.stop()
        await admin.close()
    return dict(found)
