"""Alerts as the archive, the API and the command line tell them: one an episode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from schemas import topics
from streams.query.clickhouse_archive import ClickHouseArchive
from tests.face.api_parts import Served, served, whole_state
from tests.face.test_cli import wst
from tests.sinks.archives import Real, embedded_url, open_archive
from tests.sinks.records import T0_NS, arrive, event, position, rows_of

SECOND_NS = 10**9


def alert(seq: int, kind: str, rule: str, at_s: int, since_s: int, **more: Any) -> dict[str, Any]:
    since_ns = T0_NS + since_s * SECOND_NS
    section = {
        "rule": rule, "metric": rule, "value": 93.5, "threshold": 80.0, "since_ns": since_ns, "container_id": "c" * 64,
        "labels": {"team": "<b>shop</b>"}, "dedup_key": f"shop@laptop/{'c' * 64}/{rule}/{since_ns}",
    }  # fmt: skip
    return event(seq, type=kind, alert=section, timestamp_ns=T0_NS + at_s * SECOND_NS, message=f"web \x1b[31m{rule} {kind}", **more)


TOLD = (
    alert(1, "alert_raised", "cpu", 40, 10),
    alert(2, "alert_raised", "memory", 50, 20),
    alert(3, "alert_resolved", "cpu", 300, 10),
    alert(4, "alert_raised", "cpu", 400, 370),
)


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    import asyncio

    async def fill() -> Real:
        real = open_archive(embedded_url(), f"t{uuid4().hex[:10]}")
        for number, told in enumerate((*TOLD, TOLD[0]), 1):  # one of them twice
            await real.write(rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, told, position(number))))
        return real

    real = asyncio.run(fill())
    with served(whole_state("shop@laptop"), archive=lambda: ClickHouseArchive(real.address)) as serving:
        yield serving
    asyncio.run(real.close())


def test_alerts_that_last_are_shown_first_and_resolved_ones_when_asked_for(api: Served) -> None:
    lasting = json.loads(wst("alerts", "--json", WST_API=api.url).stdout)
    assert [(one["rule"], one["resolved_at"]) for one in lasting] == [("cpu", None), ("memory", None)]
    every = json.loads(wst("alerts", "shop", "--all", "--json", WST_API=api.url).stdout)
    assert [(one["rule"], one["resolved_at"] is None) for one in every] == [("cpu", True), ("memory", True), ("cpu", False)]
    assert (every[2]["value"], every[2]["threshold"], every[2]["labels"]) == (93.5, 80.0, {"team": "<b>shop</b>"})
    assert len({one["dedup_key"] for one in every}) == 3
    shown = wst("alerts", WST_API=api.url).stdout
    assert "\x1b" not in shown
    assert shown.splitlines()[1].split()[:2] == ["shop@laptop", "cpu"]


def test_what_lasts_is_shown_however_late_one_asks_from_and_a_senseless_limit_is_wrong_usage(api: Served) -> None:
    assert json.loads(wst("alerts", "--json", "--all", "--since", "2099-01-01T00:00:00Z", WST_API=api.url).stdout) != []
    assert wst("alerts", "--limit", "0", WST_API=api.url).returncode == 2
