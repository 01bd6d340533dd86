"""The process `wst broker`: the embedded broker and the relay that feeds it."""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from schemas.alive import say_alive
from schemas.errors import SettingError
from schemas.journal import Journal
from schemas.settings import Settings
from streams.embedded.broker import Wire, start_cluster
from streams.embedded.pruning import Pruner
from streams.embedded.readers import STORES, compacted, keep_ms, readers_by_topic
from streams.embedded.relay import Relay
from streams.ready import say_ready

#: Longest wait for news from the journal, s: under one percent of a core, and at most this much delay.
_WAIT_S: Final = 0.005
_ALIVE_EVERY_S: Final = 1.0


def run_broker(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then ends the process; says its address in the line `wst-ready HOST:PORT`.

    Raises:
        SettingError: there is no journal to serve from, or one with other partitions.
        CursorMovedBack: it has to start again.
    """
    if settings.journal is None:
        raise SettingError("`wst broker` is a part of `wst up`", "run `wst up`, or set WST_JOURNAL to a journal's path")
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    journal = Journal(settings.journal, settings.partitions)
    for consumer, store in STORES.items():
        if not (settings.data_dir / store).exists():
            journal.forget_cursors(consumer)
    readers = readers_by_topic(settings.topic_prefix)
    bootstrap = start_cluster(readers, settings.partitions)
    wire = Wire(bootstrap)
    relay = Relay(journal, readers, wire.send)
    pruner = Pruner(journal, relay, keep_ms(settings.topic_prefix, bool(settings.handlers)), compacted(settings.topic_prefix))
    say_ready(bootstrap)
    alive_s = 0.0
    while not stopping:
        if time.monotonic() > alive_s:
            alive_s = time.monotonic() + _ALIVE_EVERY_S
            say_alive(settings.data_dir, "broker")
        moved = relay.step()
        wire.serve()
        pruner.tick(time.monotonic())
        if not moved:
            time.sleep(_WAIT_S)
    journal.close()
    # What is still queued for the wire is in the journal; waiting for librdkafka's threads would only hold up an end.
    os._exit(0)
