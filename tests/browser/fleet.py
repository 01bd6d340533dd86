"""A made-up fleet to look at: all statuses, plausible figures, a hostile name, a past."""

from __future__ import annotations

import random
import time
from typing import Any

from schemas.codec import codec
from streams.api.live import Live
from tests.face.api_parts import whole_event, whole_state, whole_usage
from tests.sinks.records import container_state, sample

MARKUP = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
_NAMES = ("shop", "blog", "billing", "search", "images", "data-lab", "gateway", "mail", "notebook", "ci-runner", "forum", "maps")
_SERVICES = ("web", "db", "cache", "worker")
#: What a workspace may look like: status, condition, stale, how often, why.
_LOOKS: tuple[tuple[str, str, bool, int, str], ...] = (
    ("active", "ok", False, 70, "web-1 runs"),
    ("inactive", "ok", False, 15, "all containers were stopped"),
    ("archived", "ok", False, 6, "archived by jin: the project is over"),
    ("active", "degraded", False, 4, "cache-1 is stopped, 3 of 4 run"),
    ("inactive", "failing", False, 3, "db-1 was killed for want of memory (exit 137)"),
    ("active", "unknown", True, 2, "engine build-2 has been silent for 4 min"),
)


def fleet(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """So many workspaces, always the same."""
    chance = random.Random(seed)
    now_ns = time.time_ns()
    states = []
    for number in range(count):
        status, condition, stale, _, reason = chance.choices(_LOOKS, [look[3] for look in _LOOKS])[0]
        engine = chance.choice(("laptop", "build-1", "build-2"))
        name = f"{_NAMES[number % len(_NAMES)]}{'' if number < len(_NAMES) else f'-{number}'}"
        containers = [_container(name, service, engine, status, condition, chance, now_ns) for service in _SERVICES]
        running = sum(each["state"] == "running" for each in containers)
        since_ns = now_ns - chance.randrange(60, 200_000) * 10**9
        more = {"status": status, "condition": condition, "stale": stale, "reason": reason, "running": running, "total": len(containers)}
        more |= {"containers": containers, "workspace_name": name, "status_since_ns": since_ns, "last_updated_ns": since_ns}
        more |= {
            "last_sync_ns": now_ns - 12 * 10**9,
            "labels": {"team": chance.choice(("core", "data"))},
            "container_id": containers[0]["id"],
        }
        states.append(whole_state(f"{name}@{engine}", **more))
    return states


def hostile() -> dict[str, Any]:
    """A workspace whose names are markup."""
    containers = [container_state("x1", name=MARKUP, image=MARKUP, service=MARKUP)]
    return whole_state("hostile@laptop", workspace_name=MARKUP, reason=MARKUP, containers=containers, labels={MARKUP: MARKUP})


def _container(name: str, service: str, engine: str, status: str, condition: str, chance: random.Random, now_ns: int) -> dict[str, Any]:
    is_down = status != "active" or (condition == "degraded" and service == "cache")
    broken = condition == "failing" and service == "db"
    more: dict[str, Any] = {
        "started_at_ns": now_ns - chance.randrange(600, 90_000) * 10**9,
        "image": f"example.com/{service}:2.{len(name)}",
    }
    if is_down:
        reason = "killed for want of memory" if broken else "stopped"
        more |= {"exit_code": 137 if broken else 0, "exit_reason": reason, "oom_killed": broken, "stop_requested": not broken}
        more["finished_at_ns"] = now_ns - 3_000 * 10**9
    elif service == "web":
        more["health"] = "healthy"
    identity = {"name": f"{name}-{service}-1", "service": service, "engine": engine, "engine_id": f"ENGINE-{engine.upper()}"}
    return container_state(f"{name}-{service}", state="exited" if is_down else "running", **identity, **more)


def usage_of(state: dict[str, Any], at_ns: int, chance: random.Random) -> dict[str, Any] | None:
    """What a workspace's running containers used by then; None: none runs."""
    live = [each for each in state["containers"] if each["state"] == "running"]
    if not live:
        return None
    samples = []
    for each in live:
        figures = {
            "cpu_ns": chance.randrange(10**9),
            "memory_used_bytes": chance.randrange(20, 700) << 20,
            "memory_limit_bytes": 1 << 30,
            "network_rx_counted_bytes": chance.randrange(900_000),
            "network_tx_counted_bytes": chance.randrange(300_000),
            "network_rx_total_bytes": chance.randrange(1 << 32),
            "network_tx_total_bytes": chance.randrange(1 << 31),
            "pids": chance.randrange(1, 40),
        }
        used = sample(each["id"], at_ns, "folded", **figures)
        samples.append(used)
    return whole_usage(workspace_id=state["workspace_id"], tick_at_ns=at_ns, samples=samples)


def events_of(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Something that happened to each, all in the last hour."""
    now_ns = time.time_ns()
    return [
        whole_event(
            1,
            workspace_id=state["workspace_id"],
            at_ns=now_ns - number * 31 * 10**9,
            message=f"{state['workspace_name']} became {state['status']}: {state['reason']}",
        )
        for number, state in enumerate(states, 1)
    ]


def listing(live: Live, engine: str, **more: Any) -> None:
    """Tells what became of an engine's latest listing."""
    at_ns = time.time_ns() - 12 * 10**9
    told = {
        "snapshot_id": engine, "engine_id": f"ENGINE-{engine.upper()}", "engine_name": engine, "generation": 0, "listed_at_ns": at_ns,
        "part": 0, "parts": 1, "recorded_at_ns": at_ns, "sync_interval_ms": 30_000, "containers": [], **more,
    }  # fmt: skip
    own = codec("snapshot")
    live.engines.apply_snapshot(own.decode(own.encode(told)))
