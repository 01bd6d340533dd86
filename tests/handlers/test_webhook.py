"""The webhook against a real server that is slow, down, busy, redirects or answers garbage; and its signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingError
from streams.handlers.handler import Rejected, Retry
from streams.handlers.webhook import LONGEST_WAIT_S, WebhookHandler, signature, wait_of
from streams.query.present import event_json
from tests.face.api_parts import whole_event
from tests.handlers.target import BUSY, DROP, ENDLESS, GARBAGE, Target, answer, target

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EVENT = event_json(whole_event(3))
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def post(made: Target, **options: Any) -> None:
    handler = WebhookHandler({"url": made.url} | options)
    try:
        await handler.handle(EVENT)
    finally:
        await handler.close()


async def test_an_event_is_posted_as_json_with_a_signature_that_the_receiver_can_check() -> None:
    async with target() as made:
        await post(made, secret=SECRET, headers={"x-team": "ops"})
    (request,) = made.got
    assert (request.path, request.headers["content-type"], request.headers["x-team"]) == ("/hook", "application/json", "ops")
    assert json.loads(request.body) == EVENT
    assert request.headers["webhook-id"] == EVENT["id"]
    signed = f"{EVENT['id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification's libraries.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("said", [BUSY, GARBAGE, DROP, answer("500 Oops"), answer("408 Timeout"), b"HTTP/1.1 99999 x\r\n\r\n"])
async def test_a_server_that_is_busy_broken_or_talks_nonsense_is_asked_again(said: bytes) -> None:
    async with target(said) as made:
        with pytest.raises(Retry):
            await post(made)


async def test_a_server_that_is_down_is_asked_again_and_its_address_is_not_told() -> None:
    async with target() as made:
        url = made.url
    handler = WebhookHandler({"url": url + "?token=hunter2"})
    with pytest.raises(Retry) as error:
        await handler.handle(EVENT)
    assert "hunter2" not in str(error.value)
    await handler.close()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with target() as elsewhere, target(answer(status, f"Location: {elsewhere.url}")) as made:
        with pytest.raises(Rejected, match="redirects are not followed"):
            await post(made)
        assert elsewhere.got == []


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone", "422 No"])
async def test_a_no_is_a_no(status: str) -> None:
    async with target(answer(status)) as made:
        with pytest.raises(Rejected, match=status[:3]):
            await post(made)


async def test_a_body_without_end_is_not_read() -> None:
    async with target(ENDLESS) as made:
        await post(made)


async def test_too_many_requests_says_when_to_come_again() -> None:
    async with target(answer("429 Too Many", "Retry-After: 7")) as made:
        with pytest.raises(Retry) as error:
            await post(made)
    assert error.value.after_s == 7


@given(st.one_of(st.text(max_size=40), st.integers().map(str), st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S GMT"))))
def test_whatever_retry_after_says_the_wait_is_bounded(text: str) -> None:
    wait_s = wait_of(text, NOW)
    assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S


def test_retry_after_may_be_a_date() -> None:
    assert wait_of("Sat, 31 Jan 2026 12:00:30 GMT", NOW) == 30
    assert wait_of("Sat, 31 Jan 2026 11:00:00 GMT", NOW) == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "ftp://hunter2"},
        {"url": "hunter2"},
        {"url": "http://x", "secret": "hunter2"},
        {"url": "http://x", "colour": "hunter2"},
        {"url": "http://x", "headers": {"x": "hunter2\u2028"}},
    ],
)
def test_options_that_make_no_sense_are_refused_without_showing_them(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as error:
        WebhookHandler(options)
    assert "hunter2" not in str(error.value)
