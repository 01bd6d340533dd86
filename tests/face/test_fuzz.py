"""The API is asked what its own OpenAPI document allows, and what it does not: never a fault, always what is documented."""

from __future__ import annotations

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from streams.api.app import make_app
from streams.api.desk import Desk
from streams.api.guard import Guard
from tests.face.api_parts import make_archive, make_live, whole_state
from tests.face.folding import FoldingLog
from tests.sinks.records import T0_NS, event

_EVENTS = [event(seq, at_ns=T0_NS + seq) for seq in range(1, 30)]
_ANYONE = Guard(None, None, None)
_LIVE = make_live(whole_state("shop@laptop"), whole_state("blog@laptop"))
#: Commands are obeyed or refused by the real fold; no engine ever answers a sync, and the fuzzer does not wait for one.
_DESK = Desk(FoldingLog(_LIVE), _LIVE, "wst.", wait_s=0.05)
_APP = make_app(_LIVE, asyncio.run(make_archive(*_EVENTS)), _ANYONE, dict, _DESK)
schema = schemathesis.openapi.from_asgi("/openapi.json", _APP)


def no_fault(ctx: Any, response: Response, case: Any) -> None:
    """No answer of the 500s but the documented one, that nobody has answered yet."""
    assert response.status_code < 500 or (case.method == "POST" and response.status_code == 504), response.content


@schema.parametrize()
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
def test_every_question_gets_a_documented_answer(case: Any) -> None:
    # A short wait: the fuzzer is no patient client.
    if case.path.endswith("/events/live"):
        case.query = dict(case.query or {}) | {"wait": 0}
    answer: Response = case.call(base_url="http://127.0.0.1", headers={"host": "127.0.0.1"})
    case.validate_response(answer, checks=[no_fault, status_code_conformance, content_type_conformance, response_schema_conformance])
