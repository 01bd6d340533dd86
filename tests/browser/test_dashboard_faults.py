"""The dashboard when something is wrong: an engine, the connection, an answer that comes late, an address that makes no sense."""

from __future__ import annotations

import re
from functools import partial

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from streams.api import routes_stream
from tests.browser.fleet import fleet, listing
from tests.browser.test_dashboard import row, shown
from tests.face.api_parts import put_state

FLEET = fleet(60)


def test_an_engine_that_fails_or_is_silent_is_told_from_one_that_is_well(page: Page) -> None:
    with shown(page, FLEET, path="/#/events") as api:
        failed = {"outcome": "failed", "answered": True, "error_code": "sync_failed", "error": "a listing took longer than 10 s"}
        silent = {"outcome": "silent", "error_code": "engine_silent", "error": "connection refused"}
        api.call(partial(listing, api.live, "build-1"))
        api.call(partial(listing, api.live, "build-2", **failed))
        api.call(partial(listing, api.live, "laptop", **silent))
        page.goto(f"{api.url}/#/engines")
        line = {name: page.locator("tbody tr").filter(has=page.get_by_text(name, exact=True)) for name in ("build-1", "build-2", "laptop")}
        expect(line["build-1"]).to_contain_text("● heard")
        expect(line["build-1"]).to_contain_text(re.compile(r"1\d s ago"))
        expect(line["build-2"]).to_contain_text("▲ failing: a listing took longer than 10 s")
        expect(line["laptop"]).to_contain_text("? silent: connection refused; what is shown is the last known")
        expect(line["laptop"]).to_contain_text("never")


def test_a_connection_that_has_gone_silent_is_given_up_and_a_new_one_tells_what_was_missed(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes_stream, "HEARTBEAT_S", 1.0)
    opened: list[WebSocketRoute] = []

    def half_open(route: WebSocketRoute) -> None:
        opened.append(route)
        server, number = route.connect_to_server(), len(opened)
        # Behind a NAT that has forgotten the first one: nobody is told, and nothing comes any more.
        server.on_message(lambda said: route.send(said) if number > 1 or '"hello"' in str(said) else None)

    page.route_web_socket(re.compile("/api/v1/stream"), half_open)
    with shown(page, FLEET) as api:
        expect(page.locator("#live .words")).to_have_text("live")
        api.call(partial(put_state, api.live, FLEET[2] | {"reason": "meanwhile", "seq": 5}))
        expect(row(page, "billing").locator(".why")).to_have_text("meanwhile")
        assert len(opened) > 1
        expect(page.locator("#live .words")).to_have_text("live")


def test_events_that_the_stream_cannot_give_are_said_to_be_missing(page: Page) -> None:
    streams: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        streams.append(route)

    page.route_web_socket(re.compile("/api/v1/stream"), through)
    with shown(page, FLEET):
        expect(page.locator("#live .words")).to_have_text("live")
        streams[0].send('{"type":"gap","position":"0-0"}')
        expect(page.locator("#notes")).to_contain_text("Some events were missed")


def test_a_late_answer_of_another_range_does_not_take_the_place_of_the_chosen_one(page: Page) -> None:
    held: list[Route] = []

    def timeline(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            answer(route, "archived")

    def answer(route: Route, status: str) -> None:
        one = {"status": status, "condition": "ok", "from": "2020-01-01T00:00:00Z", "to": None}
        route.fulfill(json={"intervals": [one], "events": [], "next": None})

    page.route(re.compile("/history"), lambda route: route.fulfill(json={"points": []}))
    page.route(re.compile("/timeline"), timeline)
    with shown(page, FLEET, path=f"/#/w/{FLEET[2]['workspace_id']}"):
        page.get_by_role("button", name="15 min").click()
        expect(page.locator(".strip-words")).to_have_text("archived 100 %")
        with page.expect_response(re.compile("/timeline")):
            answer(held[0], "inactive")
        page.wait_for_timeout(300)
        expect(page.locator(".strip-words")).to_have_text("archived 100 %")


@pytest.mark.parametrize("address", ["#/w/%", "#token=%", "#/constructor", "#/__proto__/x"])
def test_an_address_that_makes_no_sense_stops_nothing(page: Page, address: str) -> None:
    with shown(page, FLEET, path=f"/{address}"):
        expect(page.locator("#live .words")).to_have_text("live")
        expect(page.locator(".totals")).to_contain_text("60 workspaces")


def test_the_chosen_row_is_told_to_who_does_not_see_it(page: Page) -> None:
    with shown(page, FLEET):
        expect(row(page, "billing")).to_be_visible()
        page.locator(".scroller").focus()
        told: list[str | None] = []
        for _ in range(2):
            page.keyboard.press("ArrowDown")
            chosen = page.locator('.rows .row[aria-selected="true"]')
            expect(chosen).to_have_count(1)
            told.append(page.locator(".scroller").get_attribute("aria-activedescendant"))
            assert told[-1] == chosen.get_attribute("id")
        assert told[0] != told[1]
