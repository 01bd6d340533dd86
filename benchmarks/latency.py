"""How long from the engine's event to its change in `workspace.changes`, over real container events.

    python -m benchmarks.latency embedded      # wst up
    python -m benchmarks.latency kafka         # the parts on a real broker

Prints percentiles in ms: the consumer's clock at receipt minus the engine's time of the event, on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer

from schemas.codec import codec
from tests.e2e.parts import Part, wst
from tests.platform.engine import IMAGE, DockerEngine
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port, wait_until

FORMS = ("embedded", "kafka")
EVENTS = 500
CONTAINERS = 10


@contextmanager
def embedded(engine: DockerEngine, data: str, **more: str) -> Iterator[dict[str, str]]:
    """`wst up` on an engine; yields where its broker is."""
    settings = _settings(engine, data) | more
    with Part(("up", "--port", settings["WST_API_PORT"]), settings):
        wait_until(lambda: "first" in wst("status", settings=settings, check=False), "the tree tracks", 60)
        health = httpx.get(f"{settings['WST_API']}/healthz", trust_env=False).raise_for_status().json()
        yield settings | {"WST_BROKERS": health["brokers"], "WST_TOPIC_PREFIX": "wst."}


@contextmanager
def kafka(engine: DockerEngine, data: str, **more: str) -> Iterator[dict[str, str]]:
    """Producer and state worker on a real broker."""
    with KafkaBroker() as broker:
        settings = _settings(engine, data) | more | {"WST_BROKERS": broker.bootstrap, "WST_TOPIC_PREFIX": f"bench-{uuid.uuid4().hex[:6]}."}
        wst("topics", "apply", settings=settings)
        with Part(("worker", "state"), settings), Part(("producer",), settings):
            yield settings


def _settings(engine: DockerEngine, data: str) -> dict[str, str]:
    port = str(free_port())
    return {
        "WST_DATA_DIR": data,
        "WST_ENGINES": engine.url,
        "WST_ENGINE_NAME": "bench",
        "WST_API_PORT": port,
        "WST_API": f"http://127.0.0.1:{port}",
    }


def make_events(engine: DockerEngine, stop: threading.Event) -> None:
    """Pauses, unpauses, stops and starts containers until told to stop."""
    names = [f"bench-{number}" for number in range(CONTAINERS)]
    for name in names:
        engine.run(
            name, "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done", options=("--label", f"com.docker.compose.project={name}")
        )
    while not stop.is_set():
        for name in names:
            for action in (("pause", name), ("unpause", name), ("kill", name), ("start", name)):
                engine.docker(*action, check=False)
                if stop.is_set():
                    return


async def measure(settings: dict[str, str], events: int) -> list[float]:
    """Latencies in ms of the next `events` container updates."""
    consumer = AIOKafkaConsumer(
        settings["WST_TOPIC_PREFIX"] + "workspace.changes",
        bootstrap_servers=settings["WST_BROKERS"],
        auto_offset_reset="latest",
        fetch_max_wait_ms=10,
    )
    await consumer.start()
    found: list[float] = []
    try:
        async for record in consumer:
            now_ns = time.time_ns()
            event = codec("event").decode(record.value)
            if event["type"] == "container_update" and not event["correction"]:
                found.append((now_ns - event["timestamp_ns"]) / 1e6)
            if len(found) >= events:
                return found
    finally:
        await consumer.stop()
    return found


def run(form: str, events: int) -> None:
    """Measures one form, and prints what was found."""
    with DockerEngine() as engine, tempfile.TemporaryDirectory() as folder:
        engine.docker("create", "--name", "first", IMAGE, "true")
        with (embedded if form == "embedded" else kafka)(engine, str(Path(folder) / "data")) as settings:
            time.sleep(5)  # the first sync is through, groups have settled
            stop = threading.Event()
            maker = threading.Thread(target=make_events, args=(engine, stop))
            maker.start()
            try:
                found = sorted(asyncio.run(measure(settings, events)))
            finally:
                stop.set()
                maker.join()
    shown = ", ".join(f"p{percent} {found[min(len(found) - 1, len(found) * percent // 100)]:.1f}" for percent in (50, 90, 99))
    print(f"{form}: {len(found)} container updates, engine event → workspace.changes: {shown}, max {found[-1]:.1f} ms")


def main() -> None:
    """Runs the form that is named, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", nargs="?", choices=FORMS, help="both unless one is named")
    parser.add_argument("--events", type=int, default=EVENTS)
    chosen = parser.parse_args()
    for form in [chosen.form] if chosen.form else FORMS:
        run(form, chosen.events)


if __name__ == "__main__":
    main()
