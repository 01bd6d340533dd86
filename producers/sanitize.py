"""Raw engine JSON without anything that could be a secret: what a recording may hold. Pure.

Allow-lists, never deny-lists: of each answer only the fields that the producer reads go on, of labels only the
storable ones, of a command line the program's name and a keyed hash, whose key is thrown away with the recorder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from producers.engine_json import Json, mapping, string_labels, text
from producers.identity import Policy, storable_labels
from producers.record import health_command, program_of
from producers.text import without_commands

Shape = Mapping[str, Any]
#: Labels that decide whether a container is tracked at all.
_TRACKING: Final = ("com.docker.compose.oneoff",)

INFO: Final[Shape] = dict.fromkeys(("ID", "Name", "ServerVersion", "NCPU", "MemTotal", "SystemTime"))
LISTED: Final[Shape] = {**dict.fromkeys(("Id", "Names", "Image", "State", "Status", "Created")), "Health": {"Status": None}}
EVENT: Final[Shape] = {
    **dict.fromkeys(("Type", "Action", "time", "timeNano")),
    "Actor": {"ID": None, "Attributes": dict.fromkeys(("name", "image", "exitCode", "execDuration", "signal", "oldName", "execID"))},
}
INSPECT: Final[Shape] = {
    **dict.fromkeys(("Id", "Created", "RestartCount")),
    "State": {
        **dict.fromkeys(("Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "ExitCode", "Error", "StartedAt", "FinishedAt")),
        "Health": {"Status": None},
    },
    "HostConfig": {
        **dict.fromkeys(("NetworkMode", "Memory", "NanoCpus", "CpusetCpus", "CpuQuota", "CpuPeriod")),
        "RestartPolicy": {"Name": None},
    },
    "Config": {"StopSignal": None},
}
STATS: Final[Shape] = {
    "read": None,
    "pids_stats": dict.fromkeys(("current", "limit")),
    "blkio_stats": dict.fromkeys(("io_service_bytes_recursive", "io_serviced_recursive")),
    "cpu_stats": {
        "cpu_usage": dict.fromkeys(("total_usage", "usage_in_usermode", "usage_in_kernelmode")),
        **dict.fromkeys(("system_cpu_usage", "online_cpus")),
        "throttling_data": dict.fromkeys(("periods", "throttled_periods", "throttled_time")),
    },
    "memory_stats": {
        **dict.fromkeys(("usage", "limit", "max_usage", "failcnt")),
        "stats": dict.fromkeys(
            f"{total}{name}"
            for total in ("total_", "")
            for name in ("rss", "anon", "cache", "file", "inactive_file", "swap", "pgfault", "pgmajfault")
        ),
    },
    "networks": None,
}


def pick(value: object, shape: Shape) -> Json:
    """The fields of the shape that the value has; nested shapes likewise."""
    source = mapping(value)
    return {
        key: source[key] if inner is None or source[key] is None else pick(source[key], inner)
        for key, inner in shape.items()
        if key in source
    }


class Sanitizer:
    """Cleans the answers of one engine.

    Args:
        hash_command: keyed hash of a command line.
    """

    def __init__(self, policy: Policy, hash_command: Callable[[str], str]) -> None:
        self._policy = policy
        self._hash_command = hash_command

    def info(self, raw: object) -> Json:
        """A clean `/info`."""
        return pick(raw, INFO)

    def listed(self, raw: object) -> Json:
        """A clean entry of a listing."""
        return pick(raw, LISTED) | {"Labels": self._labels(mapping(raw).get("Labels"))}

    def inspect(self, raw: object) -> Json:
        """A clean inspect."""
        config = mapping(mapping(raw).get("Config"))
        clean = pick(raw, INSPECT)
        clean["Config"] = clean.get("Config", {}) | {"Labels": self._labels(config.get("Labels"))}
        if error := text(mapping(clean.get("State")).get("Error")):
            clean["State"]["Error"] = without_commands(error)
        command = health_command(config)
        if command is not None:
            clean["Config"]["Healthcheck"] = {"Test": ["CMD", self._command(command)]}
        return clean

    def event(self, raw: object) -> Json:
        """A clean event."""
        clean = pick(raw, EVENT)
        action, colon, rest = (text(clean.get("Action")) or "").partition(":")
        if colon and action != "health_status":
            clean["Action"] = f"{action}: {self._command(rest.strip())}"
        attributes = mapping(mapping(mapping(raw).get("Actor")).get("Attributes"))
        labels = {key: value for key, value in attributes.items() if key not in EVENT["Actor"]["Attributes"]}
        if "Actor" in clean:
            clean["Actor"]["Attributes"] = {**mapping(clean["Actor"].get("Attributes")), **self._labels(labels)}
        return clean

    def stats(self, raw: object) -> Json:
        """A clean stats answer: nothing but numbers, the time, and names of interfaces."""
        return pick(raw, STATS)

    def _labels(self, raw: object) -> dict[str, str]:
        labels = string_labels(raw)
        return storable_labels(labels, self._policy) | {key: labels[key] for key in _TRACKING if key in labels}

    def _command(self, command: str) -> str:
        return f"{program_of(command) or 'program'} {self._hash_command(command)}"
