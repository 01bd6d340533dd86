"""The API is asked what its own OpenAPI document allows, and what it does not: never a fault, always what is documented."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from schemas import topics
from streams.api.app import app_of
from streams.api.desk import Desk
from streams.api.guard import Guard
from streams.api.site import Site
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.memory import MemoryArchive
from tests.core_state.makers import event as fact
from tests.face.api_parts import make_live, whole_state
from tests.face.folding import FoldingLog
from tests.query.story import told
from tests.sinks import records
from tests.sinks.archives import Real, embedded_url, open_archive
from tests.sinks.records import T0_NS, arrive, event, position, rows_of
from tests.time.log import Log

SHOP = "shop@laptop"
_LIVE = make_live(whole_state(SHOP), whole_state("blog@laptop"))
#: Commands are obeyed or refused by the real fold; no engine ever answers a sync, and the fuzzer does not wait for one.
_DESK = Desk(FoldingLog(_LIVE), _LIVE, "wst.", wait_s=0.05)
_SITE = Site(_LIVE, MemoryArchive(), Guard(None, None, None), dict, _DESK)
schema = schemathesis.openapi.from_asgi("/openapi.json", app_of(_SITE))


@pytest.fixture(scope="module", autouse=True)
def past() -> Iterator[None]:
    """An archive that answers in SQL, and has something of everything."""

    async def fill() -> Real:
        real = open_archive(embedded_url(), f"t{uuid4().hex[:10]}")
        log = Log()
        log.slice((fact("start", 0), fact("die", 10, exit_code=1)))
        for block in (*told(), *log.rows()):
            await real.write([block])
        for seq in range(2, 30):
            await real.write(
                rows_of(topics.WORKSPACE_CHANGES, arrive(topics.WORKSPACE_CHANGES, event(seq, at_ns=T0_NS + seq), position(seq)))
            )
        await real.write(rows_of(topics.DEAD_LETTERS, arrive(topics.DEAD_LETTERS, records.dead_letter(7), position(1))))
        return real

    real = asyncio.run(fill())
    object.__setattr__(_SITE, "archive", ClickHouseArchive(real.address))
    yield
    asyncio.run(_SITE.archive.close())
    asyncio.run(real.close())


def no_fault(ctx: Any, response: Response, case: Any) -> None:
    """No answer of the 500s but the documented one, that nobody has answered yet."""
    assert response.status_code < 500 or (case.method == "POST" and response.status_code == 504), response.content


@schema.parametrize()
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
def test_every_question_gets_a_documented_answer(case: Any) -> None:
    # Of a workspace that nobody knows there is nothing to show: every other name is one that has a past.
    if len((case.path_parameters or {}).get("workspace", "")) % 2:
        case.path_parameters = case.path_parameters | {"workspace": SHOP}
    # A short wait: the fuzzer is no patient client.
    if case.path.endswith("/events/live"):
        case.query = dict(case.query or {}) | {"wait": 0}
    answer: Response = case.call(base_url="http://127.0.0.1", headers={"host": "127.0.0.1"})
    case.validate_response(answer, checks=[no_fault, status_code_conformance, content_type_conformance, response_schema_conformance])
