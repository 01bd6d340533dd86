"""Engine JSON → facts, listed containers, inspects. Pure and total.

Each function gives a record, a deliberate skip with a reason to count by, or raises `InvalidMessage`, never
another error. Secrets: of an exec only the program's name and a keyed hash go on, of labels the storable ones, of an
error what it does not quote of a command line; environment, mounts and logs are not even read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from producers.engine_json import InvalidMessage, Json, cpuset_size, is_credible, mapping, small, string_labels, text, time_ns, whole
from producers.identity import Identity, Policy, identify, storable_labels, why_untracked
from producers.text import clip, without_commands

_MAX_NAME: Final = 256
_MAX_IMAGE: Final = 512
_MAX_ERROR: Final = 500
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PROGRAM: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_STATUS_HEALTH: Final = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
#: Podman's words for what Docker calls otherwise.
_ACTIONS: Final = {"died": "die", "remove": "destroy"}
_STATES: Final = {"configured": "created", "initialized": "created", "stopped": "exited", "stopping": "running"}
STATES: Final = frozenset({"created", "running", "paused", "restarting", "removing", "exited", "dead"})
#: Attributes of an event that are no labels.
_OWN_ATTRIBUTES: Final = frozenset(
    {"name", "image", "exitCode", "execDuration", "signal", "oldName", "execID", "containerExitCode", "podId"}
)
#: Actions that may change what a listing shows; the rest are signs of activity.
STATE_ACTIONS: Final = frozenset(
    {"create", "start", "die", "stop", "kill", "oom", "restart", "pause", "unpause", "health_status", "destroy", "rename", "update"}
)


@dataclass(frozen=True, slots=True)
class Skip:
    """Left out on purpose; `reason` is a word to count by."""

    reason: str


@dataclass(frozen=True, slots=True)
class Who:
    """A container and its workspace.

    Attributes:
        container: record Container of the schemas.
    """

    identity: Identity
    container: Json


@dataclass(frozen=True, slots=True)
class Happened:
    """One container event of the engine, cleaned.

    Attributes:
        time_ns: engine's clock, ns since the Unix epoch.
        detail: record EngineEvent of the schema.
        command: an exec's command line. A secret: to be compared here and dropped, never published.
    """

    who: Who
    time_ns: int
    action: str
    detail: Json
    command: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All that turning engine JSON into records needs to know.

    Attributes:
        hash_command: keyed hash of a command line; the key never leaves this machine.
    """

    engine_name: str
    policy: Policy
    hash_command: Callable[[str], str]


def who(container_id: str, name: str, image: str, labels: Mapping[str, str], rules: Rules) -> Who | Skip:
    """The container and its workspace, or why it is not tracked."""
    reason = why_untracked(labels, name, image, rules.policy)
    if reason is not None:
        return Skip(reason)
    identity = identify(labels, name, rules.engine_name, rules.policy.rules)
    container = {
        "id": container_id,
        "name": clip(name, _MAX_NAME),
        "service": identity.service,
        "image": clip(image, _MAX_IMAGE),
        "grouped_by": identity.grouped_by,
        "labels": storable_labels(labels, rules.policy),
    }
    return Who(identity, container)


def event(raw: object, rules: Rules) -> Happened | Skip:
    """Reads one message of the engine's event stream.

    Raises:
        InvalidMessage: it is no event.
    """
    message = mapping(raw)
    if text(message.get("Type")) is None:
        raise InvalidMessage("invalid", "an engine event without Type")
    if message["Type"] != "container":
        return Skip("other_type")
    whole_action = text(message.get("Action"))
    at = whole(message.get("timeNano"))
    actor = mapping(message.get("Actor"))
    if whole_action is None or not at:
        raise InvalidMessage("invalid", "an engine event without Action or timeNano")
    action, _, rest = whole_action.partition(":")
    container_id = text(actor.get("ID"))
    if not is_credible(at):
        raise InvalidMessage("bad_time", "an engine event of a time outside of the years 2000 to 2199")
    if container_id is None and action == "prune":
        return Skip("prune")
    if container_id is None or not _ID.fullmatch(container_id):
        raise InvalidMessage("invalid", "an engine event of a container without a proper id")
    attributes = string_labels(actor.get("Attributes"))
    labels = {key: value for key, value in attributes.items() if key not in _OWN_ATTRIBUTES}
    found = who(container_id, _name(attributes.get("name"), container_id), attributes.get("image", ""), labels, rules)
    if isinstance(found, Skip):
        return found
    action = clip(action.strip() or "unknown", 64)
    action = _ACTIONS.get(action, action)
    command = rest.strip() if action in ("exec_create", "exec_start") else ""
    return Happened(found, at, action, _detail(action, rest.strip(), command, attributes, rules), command)


def _detail(action: str, rest: str, command: str, attributes: Mapping[str, str], rules: Rules) -> Json:
    exec_id = attributes.get("execID")
    old_name = attributes.get("oldName")
    return {
        "action": action,
        "health": rest if action == "health_status" and rest in ("healthy", "unhealthy", "starting") else None,
        "exit_code": small(attributes.get("exitCode")),
        "exec_duration_s": whole(attributes.get("execDuration")),
        "signal": small(attributes.get("signal")),
        "old_name": clip(old_name.removeprefix("/"), _MAX_NAME) if old_name else None,
        "exec_id": exec_id if exec_id and _ID.fullmatch(exec_id) else None,
        "program": program_of(command) if command else None,
        "command_hash": rules.hash_command(command) if command else None,
    }


def program_of(command: str) -> str | None:
    """Name of the program of a command line; None when the first word does not look like one."""
    words = command.split(None, 1)
    name = words[0].rsplit("/", 1)[-1] if words else ""
    return name if _PROGRAM.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class Seen:
    """One container of a listing.

    Attributes:
        created_at_ns: whole seconds, ns since the Unix epoch.
    """

    who: Who
    state: str
    health: str | None
    created_at_ns: int | None


def listed(raw: object, rules: Rules) -> Seen | Skip:
    """Reads one entry of a listing.

    Raises:
        InvalidMessage: it is none.
    """
    entry = mapping(raw)
    container_id = text(entry.get("Id"))
    if container_id is None or not _ID.fullmatch(container_id):
        raise InvalidMessage("invalid", "a listed container without a proper id")
    given = entry.get("Names")
    names = [n for n in (given if isinstance(given, list) else []) if isinstance(n, str) and n]
    # Legacy links add names such as /web/db; the container's own has one slash.
    own = min(names, key=lambda name: name.count("/"), default=None)
    found = who(container_id, _name(own, container_id), text(entry.get("Image")) or "", string_labels(entry.get("Labels")), rules)
    if isinstance(found, Skip):
        return found
    state = _state(entry.get("State")) or "unknown"
    created = whole(entry.get("Created"), 1 << 33)
    return Seen(found, state, _listed_health(entry), created * 1_000_000_000 if created else None)


def _state(said: object) -> str | None:
    """A state in Docker's words; None: not said."""
    state = (text(said) or "").lower()
    return clip(_STATES.get(state, state), 32) or None


def _listed_health(entry: Mapping[str, Any]) -> str | None:
    """Health of a listed container: a field since API 1.52, before that only in the status text."""
    told = text(mapping(entry.get("Health")).get("Status"))
    if told is not None:
        return told if told in ("starting", "healthy", "unhealthy") else None
    match = _STATUS_HEALTH.search(text(entry.get("Status")) or "")
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class Details:
    """What one inspect call showed.

    Attributes:
        record: record Inspect of the schemas.
        health_command: the health check's exec as its events spell it; None without one. May hold secrets: compare, never publish.
        network_mode: HostConfig.NetworkMode.
        state: as a listing says it; None where the engine does not.
    """

    record: Json
    health_command: str | None
    network_mode: str
    state: str | None


def inspected(raw: object) -> Details:
    """Reads the answer of an inspect call.

    Raises:
        InvalidMessage: it is none.
    """
    answer = mapping(raw)
    state, host, config = (mapping(answer.get(part)) for part in ("State", "HostConfig", "Config"))
    if not state or text(answer.get("Id")) is None:
        raise InvalidMessage("invalid", "an inspect answer without Id or State")
    running = bool(state.get("Running"))
    started = time_ns(state.get("StartedAt"))
    health = text(mapping(state.get("Health") or state.get("Healthcheck")).get("Status"))
    probe = health_command(config)
    policy = text(mapping(host.get("RestartPolicy")).get("Name")) or "no"
    labels = string_labels(config.get("Labels"))
    error = text(state.get("Error"))
    record = {
        "started_at_ns": started,
        "finished_at_ns": time_ns(state.get("FinishedAt")),
        "exit_code": small(state.get("ExitCode")) if started and not running else None,
        "oom_killed": bool(state.get("OOMKilled")),
        "error": clip(without_commands(error), _MAX_ERROR) if error else None,
        "restart_count": small(answer.get("RestartCount")) or 0,
        "restart_policy": clip(policy, 32),
        "health": health if health in ("starting", "healthy", "unhealthy") else None,
        "has_healthcheck": probe is not None,
        "stop_signal": clip(signal, 32) if (signal := text(config.get("StopSignal"))) else None,
        "cpu_limit_nanocpus": cpu_limit_nanocpus(host),
        "memory_limit_bytes": whole(host.get("Memory")) or None,
        "created_at_ns": time_ns(answer.get("Created")),
        "long_running": policy != "no" or _is_service(labels),
    }
    return Details(record, probe, text(host.get("NetworkMode")) or "", _state(state.get("Status")))


def _is_service(labels: Mapping[str, str]) -> bool:
    return "com.docker.compose.service" in labels or "com.docker.swarm.service.name" in labels or "workspace.service" in labels


def cpu_limit_nanocpus(host: Mapping[str, Any]) -> int | None:
    """CPU limit in billionths of a core: NanoCpus, else the size of CpusetCpus, else quota/period: the first that is set."""
    nano = whole(host.get("NanoCpus"))
    if nano:
        return nano
    cpuset = text(host.get("CpusetCpus"))
    cpus = cpuset_size(cpuset) if cpuset else 0
    if cpus:
        return cpus * 1_000_000_000
    quota = whole(host.get("CpuQuota"))
    return quota * 1_000_000_000 // (whole(host.get("CpuPeriod")) or 100_000) if quota else None


def health_command(config: Mapping[str, Any]) -> str | None:
    """The command line of the health check's exec, spelled as the engine's exec events spell it."""
    test = mapping(config.get("Healthcheck")).get("Test")
    if not isinstance(test, list) or not test or test[0] == "NONE" or not all(isinstance(word, str) for word in test):
        return None
    if test[0] != "CMD-SHELL":
        return " ".join(test[1:]).strip()
    shell = config.get("Shell")
    words = shell if isinstance(shell, list) and shell and all(isinstance(word, str) for word in shell) else ["/bin/sh", "-c"]
    return " ".join([*words, *test[1:]]).strip()


def _name(given: str | None, container_id: str) -> str:
    return (given or "").removeprefix("/") or container_id[:12]
