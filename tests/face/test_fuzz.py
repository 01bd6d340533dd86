"""The API is asked what its own OpenAPI document allows, and what it does not: never a fault, always what is documented."""

from __future__ import annotations

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from streams.api.app import make_app
from streams.api.guard import Guard
from tests.face.api_parts import make_archive, make_live, whole_state
from tests.sinks.records import T0_NS, event

_EVENTS = [event(seq, at_ns=T0_NS + seq) for seq in range(1, 30)]
_ANYONE = Guard(None, None, None)
_LIVE = make_live(whole_state("shop@laptop"), whole_state("blog@laptop"))
_APP = make_app(_LIVE, asyncio.run(make_archive(*_EVENTS)), _ANYONE, dict)
schema = schemathesis.openapi.from_asgi("/openapi.json", _APP)


@schema.parametrize()
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
def test_every_question_gets_a_documented_answer(case: Any) -> None:
    # A short wait: the fuzzer is no patient client.
    if case.path.endswith("/events/live"):
        case.query = dict(case.query or {}) | {"wait": 0}
    answer: Response = case.call(base_url="http://127.0.0.1", headers={"host": "127.0.0.1"})
    case.validate_response(
        answer, checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    )
