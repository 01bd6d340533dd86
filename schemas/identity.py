"""What makes two facts the same: they say the same. A new offset for the same fact changes nothing."""

from __future__ import annotations

from hashlib import blake2b


def fact_id(*says: str | int) -> str:
    """16 hex digits of a hash of what a fact says; its parts never run into each other.

    Engine event: ("event", engine id, generation, time ns, type, action, actor, exec id).
    Observation: ("observation", engine id, generation, time ns, container, source).
    Command: ("command", the client's id). Notice: ("notice", its name, what it is about, time ns).
    """
    digest = blake2b(digest_size=8)
    for part in says:
        raw = str(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()


def event_fact_id(
    engine_id: str, generation: int, time_ns: int, action: str, actor: str, exec_id: str = "", kind: str = "container"
) -> str:
    """Identity of an engine event."""
    return fact_id("event", engine_id, generation, time_ns, kind, action, actor, exec_id)


def observation_fact_id(engine_id: str, generation: int, time_ns: int, container_id: str, source: str, workspace_id: str) -> str:
    """Identity of an observation; the workspace counts, as a rename observes a leave and a join at one instant."""
    return fact_id("observation", engine_id, generation, time_ns, container_id, source, workspace_id)


def command_fact_id(command_id: str) -> str:
    """Identity of a command, by the id its client made."""
    return fact_id("command", command_id)


def notice_fact_id(name: str, about: str, time_ns: int) -> str:
    """Identity of what a clock or another stream decided."""
    return fact_id("notice", name, about, time_ns)


def hash63(*parts: str) -> int:
    """A positive 63-bit hash of some names, for a counters column; never 0, which stands for none."""
    return (int(fact_id(*parts), 16) >> 1) or 1
