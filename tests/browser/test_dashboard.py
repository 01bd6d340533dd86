"""The dashboard in a real browser: what it shows, that it follows, that names stay text, and how far one gets without a mouse."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from streams.api.guard import Guard
from streams.api.routes_dashboard import files
from tests.browser.fleet import MARKUP, events_of, fleet, hostile, listing, usage_of
from tests.face.api_parts import Served, put_state, put_usage, served, whole_event

FLEET = fleet(60)


def fill(api: Served, states: list[dict[str, Any]], seed: int = 1) -> None:
    chance = random.Random(seed)
    for state in states:
        used = usage_of(state, time.time_ns(), chance)
        if used is not None:
            api.live.usage.apply(used)


@contextmanager
def shown(page: Page, states: list[dict[str, Any]], path: str = "/", **more: Any) -> Iterator[Served]:
    with served(*states, prepare=partial(fill, states=states), **more) as api:
        page.goto(api.url + path)
        yield api


def row(page: Page, name: str) -> Any:
    return page.locator(".rows .row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_the_list_shows_what_is_failing_first_with_word_and_shape_and_figures(page: Page, pictures: Path) -> None:
    with shown(page, FLEET, events=tuple(events_of(FLEET))) as api:
        expect(page.locator("#live .words")).to_have_text("live")
        ranks = {"Failing": 0, "Degraded": 1, "Stale": 2, "Active": 3, "Inactive": 4, "Archived": 5}
        words = page.locator(".rows .row:visible .word").all_text_contents()
        assert len(words) > 10
        assert [ranks[word] for word in words] == sorted(ranks[word] for word in words)
        expect(row(page, "billing").locator(".cpu .figure")).to_have_text(re.compile(r"\d %$"))
        expect(row(page, "billing").locator(".memory .figure")).to_have_text(re.compile(r"[MG]iB$"))
        expect(page.locator(".totals")).to_contain_text("60 workspaces")
        for seed in range(2, 14):
            chance = random.Random(seed)
            for used in filter(None, (usage_of(state, time.time_ns(), chance) for state in FLEET)):
                api.call(partial(put_usage, api.live, used))
            page.wait_for_timeout(60)
        page.screenshot(path=pictures / "list.jpg", type="jpeg", quality=80)
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=pictures / "list-dark.jpg", type="jpeg", quality=80)


def test_a_change_shows_itself_without_a_reload(page: Page) -> None:
    with shown(page, FLEET) as api:
        expect(row(page, "billing").locator(".word")).to_have_text("Active")
        billing = next(state for state in FLEET if state["workspace_name"] == "billing")
        down = billing | {"status": "inactive", "condition": "failing", "running": 0, "reason": "web-1 crashed (exit 1)", "seq": 2}
        api.call(partial(put_state, api.live, down))
        expect(row(page, "billing").locator(".word")).to_have_text("Failing")
        expect(row(page, "billing").locator(".why")).to_have_text("web-1 crashed (exit 1)")
        page.goto(f"{api.url}/#/events")
        api.call(partial(api.live.recent.add, whole_event(2, message="shop became inactive")))
        expect(page.locator(".event .message").first).to_have_text("shop became inactive")
        api.call(partial(put_state, api.live, None, billing["workspace_id"]))
        page.goto(f"{api.url}/#/")
        expect(page.locator(".totals")).to_contain_text("59 workspaces")


def test_search_filters_and_keys_lead_to_one_workspace_and_back(page: Page) -> None:
    with shown(page, FLEET):
        expect(row(page, "billing")).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("blog")
        expect(page.locator(".rows .row:visible").first.locator(".link")).to_contain_text("blog")
        expect(page.locator(".totals")).to_contain_text(re.compile(r"^\d of 60"))
        page.keyboard.press("Escape")
        page.locator(".scroller").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=2)).to_contain_text("blog")
        page.keyboard.press("Escape")
        expect(page.locator(".detail")).to_have_count(0)
        page.locator("#search").fill("")
        page.get_by_role("button", name="Archived").click()
        expect(page.locator(".totals")).to_contain_text("3 of 60")
        assert set(page.locator(".rows .row:visible .word").all_text_contents()) == {"Archived"}


def test_names_that_are_markup_stay_text_everywhere(page: Page) -> None:
    events = (whole_event(1, workspace_id="hostile@laptop", message=MARKUP),)
    with shown(page, [hostile()], events=events) as api:
        expect(row(page, MARKUP)).to_be_visible()
        page.goto(f"{api.url}/#/w/hostile@laptop")
        expect(page.get_by_role("heading", level=2)).to_have_text(MARKUP)
        expect(page.locator(".containers td").first).to_contain_text(MARKUP)
        expect(page.locator(".detail .event .message").first).to_contain_text(MARKUP)
        page.goto(f"{api.url}/#/events")
        expect(page.locator(".event .message").first).to_contain_text(MARKUP)
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert page.title() != "owned"


def test_a_thousand_workspaces_are_a_few_dozen_rows_of_the_page(page: Page) -> None:
    with shown(page, fleet(1_000)) as api:
        expect(page.locator(".totals")).to_contain_text("1000 workspaces")
        assert page.locator(".rows .row").count() < 60
        page.locator(".scroller").evaluate("node => { node.scrollTop = node.scrollHeight }")
        expect(page.locator(".rows .row:visible .word").last).to_have_text("Archived")
        assert page.locator(".rows .row").count() < 60
        page.keyboard.press("/")
        page.keyboard.type("maps-995")
        expect(page.locator(".rows .row:visible")).to_have_count(1)
        last = next(state for state in fleet(1_000) if state["workspace_name"] == "maps-995")
        api.call(partial(put_state, api.live, last | {"reason": "news", "seq": 9}))
        expect(page.locator(".rows .row:visible .why")).to_have_text("news")


def test_alerts_stand_at_their_workspace_as_they_are_raised_and_resolved_and_can_be_filtered_by(page: Page) -> None:
    billing = next(state for state in FLEET if state["workspace_name"] == "billing")["workspace_id"]

    def alert(seq: int, kind: str, rule: str) -> dict[str, Any]:
        since = {"since_ns": time.time_ns() - 10**9, "dedup_key": rule}
        told = {"rule": rule, "metric": "cpu_percent", "value": 97.0, "threshold": 80.0, **since}
        return whole_event(seq, workspace_id=billing, kind=kind, message=f"{rule} of billing", alert=told)

    with shown(page, FLEET, events=(alert(1, "alert_raised", "memory"),)) as api:
        mark = row(page, "billing").locator(".alarm")
        expect(mark).to_have_text("! 1")
        expect(mark).to_have_attribute("aria-label", "1 alert: memory")
        api.call(partial(api.live.recent.add, alert(2, "alert_raised", MARKUP)))
        expect(mark).to_have_text("! 2")
        expect(page.locator("#alert-count")).to_have_text("2")
        page.get_by_role("button", name="Alerts").click()
        expect(page.locator(".totals")).to_contain_text("1 of 60")
        expect(row(page, "billing")).to_be_visible()
        api.call(partial(api.live.recent.add, alert(3, "alert_resolved", MARKUP)))
        expect(mark).to_have_text("! 1")
        api.call(partial(api.live.recent.add, alert(4, "alert_resolved", "memory")))
        expect(page.locator(".totals")).to_contain_text("0 of 60")
        expect(page.locator("#alert-count")).to_be_hidden()


def test_reasons_of_an_archive_that_is_behind_are_asked_for_until_it_has_caught_up(page: Page) -> None:
    billing = next(state for state in FLEET if state["workspace_name"] == "billing")
    now = {name: billing[name] for name in ("status", "condition", "reason")} | {"name": "billing", "logs": []}
    fact = {"time": "2026-01-31T12:00:00.000Z", "said": "laptop said: billing-web-1 start", "topic": "t", "partition": 0, "offset": 1}
    answers = [
        {"status": 404, "json": {"title": "no such workspace", "status": 404, "detail": "nothing was known"}},
        {"json": now | {"status": "inactive", "reason": "created", "causes": [{"of": "status", "container": None, "facts": []}]}},
        {"json": now | {"causes": [{"of": "status", "container": None, "facts": [fact]}]}},
    ]
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(**answers[min(len(asked), len(answers)) - 1])  # type: ignore[arg-type]  # of several kinds

    page.route(re.compile("/why$"), answer)
    with shown(page, FLEET, path=f"/#/w/{billing['workspace_id']}"):
        expect(page.locator(".cause .chain")).to_contain_text("billing-web-1 start")
        page.wait_for_timeout(1_500)
        assert len(asked) == len(answers), "what is known is not asked for again"


def test_the_first_rows_are_there_before_the_list_and_the_rest_of_what_is_asked(page: Page) -> None:
    """What is painted first waits for one question only: the others may take as long as they like."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/api/v1/(workspaces$|events|alerts)"), hold)
    many = fleet(300)
    with shown(page, many):
        expect(page.locator(".rows .row:visible .word").first).to_have_text("Failing")
        failing = {state["workspace_name"] for state in many if state["status"] != "archived" and state["condition"] == "failing"}
        assert set(page.locator(".rows .row.failing .link").all_text_contents()) <= failing
        expect(page.locator(".totals")).to_have_text("Loading …")
        for route in held:
            route.continue_()
        page.unroute_all()
        expect(page.locator(".totals")).to_contain_text("300 workspaces")


def test_a_phone_shows_the_same(page: Page, pictures: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    with shown(page, FLEET):
        expect(row(page, "billing")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        row(page, "billing").click()
        expect(page.get_by_role("heading", level=2)).to_have_text("billing")
        expect(page.locator(".list")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Close").click()
        expect(row(page, "billing")).to_be_visible()
        page.screenshot(path=pictures / "phone.jpg", type="jpeg", quality=80)


def test_engines_and_alerts_have_their_pages(page: Page, pictures: Path) -> None:
    raised = whole_event(
        7,
        workspace_id=FLEET[0]["workspace_id"],
        kind="alert_raised",
        message="CPU of shop over 80 % for 2 min",
        alert={"rule": "cpu", "metric": "cpu_percent", "value": 97.0, "threshold": 80.0, "since_ns": time.time_ns() - 150 * 10**9},
    )
    with shown(page, FLEET, events=(raised,), path="/#/engines") as api:
        api.call(partial(listing, api.live, "build-1"))
        expect(page.locator("tbody tr").filter(has_text="build-1")).to_contain_text("heard")
        expect(page.locator("tbody tr").filter(has_text="wst.workspace.state")).to_be_visible()
        page.goto(f"{api.url}/#/alerts")
        expect(page.locator(".card").first).to_contain_text("CPU of shop over 80 % for 2 min")
        expect(page.locator("#alert-count")).to_have_text("1")
        expect(page.locator(".card").filter(has_text="Degraded").first).to_be_visible()
        page.screenshot(path=pictures / "alerts.jpg", type="jpeg", quality=80)


def test_where_a_token_is_needed_the_form_or_the_link_logs_in(page: Page) -> None:
    with shown(page, FLEET, guard=Guard(None, "all", "a read/token+")) as api:
        page.get_by_label("Token").fill("a read/token+")
        page.get_by_role("button", name="Log in").click()
        expect(row(page, "billing")).to_be_visible()
        expect(page.locator("#live .words")).to_have_text("live")
        other = page.context.browser.new_page()  # type: ignore[union-attr]  # the context was made by a browser
        other.goto(f"{api.url}/#token=a%20read%2Ftoken%2B")
        expect(row(other, "billing")).to_be_visible()
        assert "token" not in other.url
        other.close()


def test_a_connection_that_is_lost_is_said_and_found_again(page: Page) -> None:
    with shown(page, FLEET) as api:
        expect(page.locator("#live .words")).to_have_text("live")
        page.context.set_offline(True)
        page.evaluate("window.stop()")
        for listener in list(api.site.listeners):
            api.call(listener._cut)  # type: ignore[attr-defined]  # as a network would
        expect(page.locator("#live .words")).not_to_have_text("live")
        api.call(partial(put_state, api.live, FLEET[2] | {"reason": "meanwhile", "seq": 5}))
        page.context.set_offline(False)
        expect(row(page, "billing").locator(".why")).to_have_text("meanwhile")
        expect(page.locator("#live .words")).to_have_text("live")


def test_everything_on_the_wire_is_our_own_small_and_without_inline_code(page: Page) -> None:
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    with shown(page, FLEET) as api:
        expect(row(page, "billing")).to_be_visible()
        page.goto(f"{api.url}/#/w/{FLEET[0]['workspace_id']}")
        expect(page.locator(".detail")).to_be_visible()
        assert {url for url in asked if not url.startswith((api.url, api.url.replace("http", "ws")))} == set()
    assert refused == []
    assert sum(len(file.packed) for file in files().values()) < 200_000
    scripts = "".join(file.plain.decode() for name, file in files().items() if name.endswith((".js", ".html")))
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style="):
        assert unsafe not in scripts, unsafe


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_background(page: Page, scheme: Any) -> None:
    """WCAG AA: 4.5 to 1, of every colour that is used for text."""
    page.emulate_media(color_scheme=scheme)
    with shown(page, FLEET):
        expect(row(page, "billing")).to_be_visible()
        found = page.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement);
              const light = (name) => {
                const hex = style.getPropertyValue(name).trim();
                const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
                const [r, g, b] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
              const pairs = [['--text', '--card'], ['--text', '--back'], ['--text', '--chosen']];
              pairs.push(['--muted', '--card'], ['--muted', '--back']);
              const looks = ['failing', 'degraded', 'stale', 'active', 'inactive', 'archived'];
              for (const name of looks) pairs.push([`--${name}`, `--${name}-back`], [`--${name}`, '--card']);
              return pairs.map((pair) => [pair.join(' on '), ratio(...pair)]).filter(([, value]) => value < 4.5);
            }"""
        )
        assert found == []
