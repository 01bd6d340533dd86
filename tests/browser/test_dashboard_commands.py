"""What one may ask for from the dashboard: the real fold decides, and what it says is shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from schemas.publish import make_record
from schemas.topics import DOCKER_EVENTS
from streams.api.desk import Desk
from streams.api.guard import Guard
from tests.core_state.makers import event
from tests.face.api_parts import LOCAL, Served, served
from tests.face.folding import FoldingLog

STOPPED = (event("start", 1), event("die", 2, exit_code=0), event("destroy", 3))
RUNNING = (event("start", 1),)
ID = STOPPED[0]["workspace_id"]


@contextmanager
def shown(page: Page, *facts: dict[str, object], guard: Guard = LOCAL, path: str = f"/#/w/{ID}") -> Iterator[Served]:
    """The page of an API whose log is folded as soon as it is written to."""

    def prepare(api: Served) -> None:
        log = FoldingLog(api.live)
        object.__setattr__(api.site, "desk", Desk(log, api.live, "wst.", wait_s=0.3))
        records = [make_record(DOCKER_EVENTS, "wst.", ID, f, kind=str(f["kind"]), record_id=str(f["id"]), timestamp_ms=1) for f in facts]
        asyncio.get_running_loop().create_task(log.publish(records))  # it ends with the loop's next turn

    with served(guard=guard, prepare=prepare) as api:
        page.goto(api.url + path)
        yield api


def commands(page: Page) -> Locator:
    return page.locator(".detail .commands")


def give(page: Page, word: str, **fields: str) -> Locator:
    """Opens a command's form, fills it and sends it off."""
    commands(page).get_by_role("button", name=word, exact=True).click()
    dialog = page.locator("dialog.command")
    for name, value in fields.items():
        dialog.locator(f"[name={name}]").fill(value)
    dialog.locator("button[type=submit]").click()
    return dialog


def test_a_workspace_is_archived_renamed_and_taken_back_with_who_and_why(page: Page, pictures: Path) -> None:
    with shown(page, *STOPPED):
        expect(commands(page).get_by_role("button", name="Archive")).to_be_visible()
        expect(give(page, "Archive", by="ada", why="the project is over")).to_have_count(0)
        expect(page.locator(".detail .badge")).to_contain_text("Archived")
        expect(page.locator(".notes")).to_contain_text("is archived")
        expect(page.locator(".detail .why-text")).to_contain_text("archived by ada: the project is over")
        expect(give(page, "Rename", name="web <b>shop</b>")).to_have_count(0)
        expect(page.get_by_role("heading", level=2)).to_have_text("web <b>shop</b>")
        commands(page).get_by_role("button", name="Unarchive").click()
        expect(page.locator("dialog.command [name=by]")).to_have_value("ada")
        page.screenshot(path=pictures / "command.jpg", type="jpeg", quality=80)
        page.keyboard.press("Enter")
        expect(page.locator("dialog.command")).to_have_count(0)
        expect(page.locator(".detail .badge")).to_contain_text("Inactive")


def test_what_is_refused_is_said_where_it_was_asked(page: Page) -> None:
    with shown(page, *RUNNING):
        dialog = give(page, "Archive", why="x")
        expect(dialog.get_by_role("alert")).to_contain_text("1 of its containers run; stop them first")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(page.locator(".detail")).to_be_visible()


def test_a_mute_is_shown_until_it_is_lifted(page: Page) -> None:
    with shown(page, *RUNNING):
        commands(page).get_by_role("button", name="Mute", exact=True).click()
        page.locator("dialog.command").get_by_label("For").select_option("8 hours")
        page.locator("dialog.command button[type=submit]").click()
        expect(page.locator(".detail .state .tag")).to_contain_text("muted until")
        expect(give(page, "Unmute")).to_have_count(0)
        expect(page.locator(".detail .state .tag")).to_have_count(0)


def test_where_nobody_answers_the_form_says_so_and_may_be_sent_again(page: Page) -> None:
    with shown(page, *RUNNING):
        dialog = give(page, "Sync")
        expect(dialog.get_by_role("alert")).to_contain_text(re.compile("answered; `wst engines` says how they are"))
        expect(dialog.get_by_role("button", name="List now")).to_be_enabled()


def test_a_reading_token_is_refused_and_another_one_may_be_given(page: Page) -> None:
    with shown(page, *STOPPED, guard=Guard(None, "all", "read"), path="/#token=read"):
        page.locator(".rows .row").first.click()
        dialog = give(page, "Archive")
        expect(dialog.get_by_role("alert")).to_contain_text("this token may only read")
        dialog.get_by_role("button", name="Use another token").click()
        page.get_by_label("Token").fill("all")
        page.get_by_role("button", name="Log in").click()
        dialog.locator("button[type=submit]").click()
        expect(page.locator(".detail .badge")).to_contain_text("Archived")
