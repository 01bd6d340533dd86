"""What a worker wrote before windows had containers and percentiles is read, and goes on."""

from __future__ import annotations

import base64
import zlib

from streams.core.facts import Position
from streams.core.usage import publish_owed
from streams.core.usage_bytes import from_bytes, to_bytes
from tests.core_usage.ticks import HOUR_S, NOON_S, Log, container_windows, counters, windows

WRITTEN = (
    "c-"
    "muRWMqH<W*}yPvblk{I3vHnAt$k*B)<Tpgae3E^U^c(Qgsd4fNY2i3sfN^RC7scVlGS!Y!b`wUD=M+5^(xKE$dyYYKaE!yR2nEJ`+&Me;`;z0KoMd{N<Z&Su"
    "Fu`D8rBc8X?ROGmrtpgtL|U99YER;D8X6;lRLvsSZ=00~@ls7t9dNFg`m2D!)S*!r#M$Do!k5SO7Ip0lR)~sI(ZAR%F0bx0?XK8Kx!HOSl<E!;}@xekLR_Mx"
    "-zY0b<iJG4TTSUW1vLvK=IUK!D9-"
    "p>#)t04&!soDg3Dj<_e>Axy|L1H&%{N&wV87`>nkVk3+O0!b7aO&wf6R363M3h&c09g#f;6<|RMO)!|CAHa$1Nf^z*@P&~Q&q3{j<p6@7LsJLOIaoXgQPKbQ"
    "h8ULEW1tiGPh|iy699jAWmW"
)
"""Two containers, a and b, read 20 and 10 s before one o'clock, at one o'clock and 10 s after: format 1."""

NOON_MS = 1000 * NOON_S


def test_a_value_of_format_1_is_read_and_its_windows_go_on() -> None:
    data = zlib.decompress(base64.b85decode(WRITTEN))
    assert data[0] == 1
    log = Log()
    log.state, log.offset = from_bytes(data), 4
    assert log.state.position == Position(1, 3, 4)
    assert to_bytes(log.state)[0] == 2
    assert from_bytes(to_bytes(log.state)) == log.state
    second = HOUR_S + 20
    assert log.read(second, a=counters(second, cpu_total_ns=(50 + second) * 10**9))["a"]["outcome"] == "folded"
    log.records += publish_owed(log.state, NOON_MS + 10**9)
    first, now = (windows(log.records)["engine-1", "hour", NOON_MS + start] for start in (0, 3_600_000))
    assert (first["sample_count"], first["cpu_core_ns"], first["container_count"]) == (2, 10 * 10**9, 2)
    assert (now["sample_count"], now["cpu_core_ns"], now["container_count"]) == (5, 30 * 10**9, 2)
    assert windows(log.records)["engine-1", "day", NOON_MS - 43_200_000]["sample_count"] == 7
    # Of containers only what came since is known.
    assert {key[1:3]: window["sample_count"] for key, window in container_windows(log.records).items()} == {
        ("hour", NOON_MS + 3_600_000): 1, ("day", NOON_MS - 43_200_000): 1
    }  # fmt: skip
