"""What has to be there before a worker of a cluster starts: a broker, the topics, its changelogs, the log's epoch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.errors import Unreachable
from schemas.kafka import broker_away, client_arguments
from schemas.settings import Settings
from streams.log_epoch import read_epoch
from streams.topology import CHANGELOG_CONFIG, AppPlan

#: How long a broker may take to answer before it counts as out of reach, s.
PATIENCE_S: Final = 15.0


async def prepare(settings: Settings, plan: AppPlan) -> int:
    """Checks topics, makes what is missing of the app's changelogs, and returns the log's epoch.

    Raises:
        Unreachable: no broker answers, or topics are missing or have another partition count: somebody else's to mend first.
    """
    async with _reached(settings) as admin:
        await _check_topics(admin, settings)
        await _make_changelogs(admin, settings, plan)
        return await read_epoch(settings)


async def reach(settings: Settings) -> None:
    """Says in time when no broker answers.

    Raises:
        Unreachable: none does.
    """
    async with _reached(settings):
        pass


@asynccontextmanager
async def _reached(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await admin.start()
            yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise broker_away(settings, error) from error
    finally:
        await admin.close()


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> Mapping[str, int]:
    described = await admin.describe_topics(names)
    return {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}


async def _check_topics(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    names = [topic.full(settings.topic_prefix) for topic in topics.ALL]
    have = await _partitions(admin, names)
    missing = [name for name in names if name not in have]
    if missing:
        raise Unreachable(f"the broker {settings.brokers} lacks the topics {', '.join(missing)}", "run `wst topics apply`")
    _check_counts(have, settings.partitions)


def _check_counts(have: Mapping[str, int], want: int) -> None:
    for name, count in have.items():
        if count != want:
            raise Unreachable(f"the topic {name} has {count} partitions, WST_PARTITIONS says {want}", f"set WST_PARTITIONS={count}")


async def _make_changelogs(admin: AIOKafkaAdminClient, settings: Settings, plan: AppPlan) -> None:
    names = list(plan.changelogs(settings.topic_prefix))
    have = await _partitions(admin, names)
    new = [
        NewTopic(name, settings.partitions, settings.replication_factor, topic_configs=dict(CHANGELOG_CONFIG))
        for name in names
        if name not in have
    ]
    if new:
        # Another worker may make them at the same moment: what counts is that they are there afterwards.
        await admin.create_topics(new)
        while len(have) < len(names):
            await asyncio.sleep(0.1)
            have = await _partitions(admin, names)
    _check_counts(have, settings.partitions)
