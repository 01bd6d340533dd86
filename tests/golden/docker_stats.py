"""What `docker stats` makes of two answers of an engine: docker/cli, cli/command/container/stats_helpers.go, told in our units."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def docker_shows(before: Json, after: Json) -> Json:
    """The columns it shows of the later answer, unrounded; what the engine left out is left out here, where docker shows 0."""
    cpu, system = (
        after["cpu_stats"]["cpu_usage"]["total_usage"] - before["cpu_stats"]["cpu_usage"]["total_usage"],
        after["cpu_stats"]["system_cpu_usage"] - before["cpu_stats"]["system_cpu_usage"],
    )
    memory = after["memory_stats"]
    inactive = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    used = memory["usage"] - inactive if inactive < memory["usage"] else memory["usage"]
    networks = after.get("networks")
    entries = after["blkio_stats"]["io_service_bytes_recursive"] or []
    shown: Json = {
        "cpu_percent": cpu / system * after["cpu_stats"]["online_cpus"] * 100 if cpu > 0 and system > 0 else 0.0,
        "memory_used_bytes": used,
        "memory_percent": used / memory["limit"] * 100,
        "pids": after["pids_stats"]["current"],
    }
    if networks is not None:
        shown |= {f"network_{way}_total_bytes": sum(one[f"{way}_bytes"] for one in networks.values()) for way in ("rx", "tx")}
    if entries:
        ops = {"read": "r", "write": "w"}
        shown |= {f"block_{op}_total_bytes": sum(one["value"] for one in entries if one["op"].lower()[0] == ops[op]) for op in ops}
    return shown
