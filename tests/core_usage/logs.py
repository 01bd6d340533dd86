"""Made-up logs of ticks with everything in them that happens: restarts, new interfaces, gaps, disorder, repeats, several engines."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.core_usage.ticks import HOUR_S, STEADY, Record, counters, tick

PROGRESS = ("cpu_total_ns", "system_cpu_ns", "network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes", "page_faults")

# How far the clock moves from one tick to the next, s: mostly an interval, sometimes a gap, an hour, or back.
STEPS = (*(10,) * 12, 10.5, 60, 60, 250, 250, 290, 400, 1800, HOUR_S, -20, -400)
HAPPENINGS = (*("",) * 24, "restart", "interfaces", "counter went back", "memory unknown", "absurd", "jump", "same time", "future")


class Machine:
    """Containers whose counters grow."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, int]] = {}

    def read(self, container: str, at_s: float, what: str, amount: int) -> bytes:
        """Counters after something happened."""
        values = self.values.setdefault(container, {**STEADY, "network_namespace": 7 if container in "ab" else ord(container)})
        for number, name in enumerate(PROGRESS):
            values[name] += amount * (number + 1)
        if what == "restart":
            values.update(dict.fromkeys(PROGRESS, amount), started_at_ns=values["started_at_ns"] + 1)
        elif what == "interfaces":
            values.update(interfaces_hash=values["interfaces_hash"] + 1, network_rx_bytes=amount, network_tx_bytes=0)
        elif what == "counter went back":
            values.update(block_read_bytes=0)
        said = dict(values)
        if what == "memory unknown":
            said["memory_usage_bytes"] = -1
        elif what == "absurd":
            said["page_faults"] = -9
        elif what == "jump":
            said["network_rx_bytes"] = 1 << 61
        said["memory_usage_bytes"] += amount * 1000 if said["memory_usage_bytes"] > 0 else 0
        return counters(at_s, **said)


@st.composite
def logs(draw: st.DrawFn, engines: int = 2, most: int = 25) -> list[Record]:
    """Ticks in the order of the log. Drawn as a seed and a length: drawing each choice would take most of a test's time."""
    return made_log(Random(draw(st.integers(0, 1 << 32))), draw(st.integers(1, most)), engines)


def made_log(random: Random, length: int, engines: int) -> list[Record]:
    """`length` ticks of some engines."""
    machines = [Machine() for _ in range(engines)]
    at: list[float] = [random.choice([3000.0, 3500.0, 10_700.0])] * engines
    # How far behind container c is read: what makes samples late.
    lag = random.choice([0, 0, 100, 1500, 5000])
    messages: list[Record] = []
    for _ in range(length):
        engine = random.randrange(engines)
        at[engine] = max(0.0, at[engine] + random.choice(STEPS))
        read: dict[str, bytes] = {}
        for container in random.sample("abc", random.randint(1, 3)):
            what, amount = random.choice(HAPPENINGS), random.randrange(10**6)
            shift: float = {"same time": -10.0, "future": 500.0}.get(what, ord(container) / 1000)
            shift -= lag if container == "c" else 0
            read[container] = machines[engine].read(container, at[engine] + shift, what, amount)
        fields: dict[str, Any] = {"engine_id": f"engine-{engine + 1}", "part": random.choice([0, 0, 0, 1])}
        messages.append(tick(at[engine], read, **fields))
    return messages
