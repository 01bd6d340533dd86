"""An independent witness of what the engine did, and what must follow from it.

It shares no code with the product: it hears `docker events` itself and knows the few rules by which a
container without restart policy changes its state.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import defaultdict
from typing import Any

from tests.platform.engine import DockerEngine

#: What an action makes of a container; others leave its state.
STATE_AFTER = {
    "create": "created",
    "start": "running",
    "die": "exited",
    "pause": "paused",
    "unpause": "running",
    "destroy": "removed",
}
_EVERY_CONTAINER_EVENT = ("--filter", "type=container", "--format", "{{json .}}")


class Witness:
    """Hears every container event of an engine from the moment it is made."""

    def __init__(self, engine: DockerEngine) -> None:
        # Into a file: the engine drops the events of a listener whose pipe is full.
        self._heard = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open as long as the process that writes it
        self._process = subprocess.Popen(
            # Since now: the client may need seconds to be connected, and the engine keeps what it missed.
            ["docker", "--host", engine.url, "events", "--since", f"{time.time():.9f}", *_EVERY_CONTAINER_EVENT],
            stdout=self._heard,
            stdin=subprocess.DEVNULL,
        )

    def close(self) -> list[dict[str, Any]]:
        """Ends listening; returns all events in the order of their time."""
        self._process.terminate()
        self._process.wait()
        with self._heard as heard:
            heard.seek(0)
            return sorted((json.loads(line) for line in heard), key=lambda event: int(event["timeNano"]))


def container_chains(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The states each container went through, by id; a state that did not change stands once."""
    chains: dict[str, list[str]] = defaultdict(list)
    for event in events:
        state = STATE_AFTER.get(event["Action"])
        chain = chains[event["Actor"]["ID"]]
        if state and (not chain or chain[-1] != state):
            chain.append(state)
    return {container: chain for container, chain in chains.items() if chain}


def status_chains(events: list[dict[str, Any]], workspace_of: dict[str, str]) -> dict[str, list[str]]:
    """The statuses each workspace went through: active while at least one of its containers runs."""
    running: dict[str, set[str]] = defaultdict(set)
    chains: dict[str, list[str]] = defaultdict(list)
    for event in events:
        container = event["Actor"]["ID"]
        state = STATE_AFTER.get(event["Action"])
        if state is None:
            continue
        workspace = workspace_of[container]
        (running[workspace].add if state == "running" else running[workspace].discard)(container)
        status = "active" if running[workspace] else "inactive"
        if not chains[workspace] or chains[workspace][-1] != status:
            chains[workspace].append(status)
    return dict(chains)


def event_keys(events: list[dict[str, Any]]) -> set[tuple[str, str, int]]:
    """(container, action before any colon, time ns) of each event."""
    return {(event["Actor"]["ID"], event["Action"].split(":")[0], int(event["timeNano"])) for event in events}
