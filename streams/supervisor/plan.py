"""Which parts an embedded tree has, and the settings they get."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from schemas.loopback import url_here
from streams.embedded.broker import PARTITIONS
from streams.supervisor.part import Part

#: Name of the part that watches engines; where a recording is played there is none.
PRODUCER: Final = "producer"
#: Settings of a cluster that mean nothing to the parts of an embedded tree, or would lead them astray.
_FOREIGN = (
    "WST_KAFKA_SASL_USERNAME",
    "WST_KAFKA_SASL_PASSWORD",
    "WST_KAFKA_SASL_PASSWORD_FILE",
    "WST_KAFKA_SSL_CAFILE",
    "WST_KAFKA_SSL_CERTFILE",
    "WST_KAFKA_SSL_KEYFILE",
    "WST_SCHEMA_REGISTRY_URL",
    "WST_CLICKHOUSE_CLUSTER",
    "WST_CLICKHOUSE_URL_FILE",
    # Parts of a tree tell their figures to its API, which shows them all.
    "WST_METRICS_HOST",
    "WST_METRICS_PORT",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts come from: engines, or a recording of one.

    Attributes:
        engines: URLs; none: what the Docker client says by itself.
        recording: file to play instead; None with `play`: the bundled one.
        play: whether a recording is played.
        speed: how many seconds of the recording pass in one.
    """

    engines: tuple[str, ...] = ()
    recording: Path | None = None
    play: bool = False
    speed: float = 1.0


def parts(source: Source, handlers: bool = False) -> tuple[Part, ...]:
    """The parts, in the order they are shown.

    Args:
        handlers: whether any are configured.
    """
    on_broker = ("broker",)
    return (
        Part("broker", _wst("broker"), provides="WST_BROKERS", alive=("alive.broker",)),
        _facts(source),
        Part("worker state", _wst("worker", "state"), needs=on_broker, alive=("alive.state",)),
        Part("worker usage", _wst("worker", "usage"), needs=on_broker, alive=("alive.usage",)),
        Part("serve", _wst("serve"), needs=on_broker, provides="WST_API", alive=("alive.sink", "alive.api")),
        # They read the journal: whatever hangs there, the wire does not wait for it.
        *((Part("handlers", _wst("handle"), alive=("alive.handlers",)),) if handlers else ()),
    )


def _facts(source: Source) -> Part:
    if not source.play:
        # It writes to the journal, and needs no broker: nothing is missed while one starts again.
        return Part(PRODUCER, _wst("producer"), alive=("alive.producer",))
    file = (str(source.recording),) if source.recording else ()
    # What is played goes into the journal: it needs no broker, and must not begin anew with one.
    return Part("play", _wst("play", *file, "--speed", f"{source.speed:g}"), may_end=True)


def environment(own: Mapping[str, str], data: Path, port: int, source: Source, host: str = "127.0.0.1") -> dict[str, str]:
    """The environment of every part: this process's, with the tree's settings.

    Args:
        port, host: what the API listens on.
    """
    env = {name: value for name, value in own.items() if name not in _FOREIGN}
    env |= {
        "WST_DATA_DIR": str(data),
        "WST_JOURNAL": str(data / "journal.sqlite"),
        # The embedded broker has this many, whatever a cluster elsewhere may have.
        "WST_PARTITIONS": str(PARTITIONS),
        "WST_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "WST_CLICKHOUSE_URL": f"chdb://{quote(str(data / 'archive'))}",
        "WST_CLICKHOUSE_DATABASE": "wst",
        "WST_API_PORT": str(port),
        # Handlers ask this tree's API whether an alert is muted, whichever API the user's own commands talk to.
        "WST_API": url_here(host, port),
        "PYTHONUNBUFFERED": "1",
    }
    if source.engines:
        env["WST_ENGINES"] = ",".join(source.engines)
    return env


def _wst(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "schemas.wst", *arguments)
