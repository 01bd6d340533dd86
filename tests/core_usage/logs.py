"""Made-up logs of ticks with everything in them that happens: restarts, new interfaces, gaps, disorder, repeats, several engines."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.core_usage.ticks import HOUR_S, STEADY, Record, counters, tick

PROGRESS = ("cpu_total_ns", "system_cpu_ns", "network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes", "page_faults")

# How far the clock moves from one tick to the next, s: mostly an interval, sometimes a gap, an hour, or back.
STEPS = st.sampled_from([10, 10, 10, 10, 10.5, 60, 290, 400, 1800, HOUR_S, 2 * HOUR_S + 60, -20, -400, -2 * HOUR_S])


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


HAPPENINGS = st.sampled_from(
    ["", "", "", "", "", "restart", "interfaces", "counter went back", "memory unknown", "absurd", "jump", "same time", "future"]
)


@st.composite
def logs(draw: st.DrawFn, engines: int = 2, most: int = 25) -> list[Record]:
    """Ticks in the order of the log."""
    machines = [Machine() for _ in range(engines)]
    at: list[float] = [3000.0] * engines
    messages: list[Record] = []
    for _ in range(draw(st.integers(1, most))):
        engine = draw(st.integers(0, engines - 1))
        at[engine] = max(0.0, at[engine] + draw(STEPS))
        read: dict[str, bytes] = {}
        for container in draw(st.permutations("abc"))[: draw(st.integers(1, 3))]:
            what, amount = draw(HAPPENINGS), draw(st.integers(0, 10**6))
            shift: float = {"same time": -10.0, "future": 500.0}.get(what, ord(container) / 1000)
            read[container] = machines[engine].read(container, at[engine] + shift, what, amount)
        fields: dict[str, Any] = {"engine_id": f"engine-{engine + 1}", "part": draw(st.sampled_from([0, 0, 0, 1]))}
        messages.append(tick(at[engine], read, **fields))
    return messages
