"""Alerts of a muted workspace are not delivered; when nobody can say, they are."""

from __future__ import annotations

import time
from pathlib import Path

from schemas.settings import Settings
from schemas.tokens import FILE, make_token
from streams.api.guard import Guard
from streams.handlers.mutes import Mutes
from tests.face.api_parts import served, whole_state

ALERT = {"type": "alert_raised", "workspace_id": "shop@laptop"}


async def test_alerts_of_a_muted_workspace_are_held_back_and_nothing_else() -> None:
    later_ns = time.time_ns() + 3_600 * 10**9
    states = (whole_state("shop@laptop", muted_until_ns=later_ns), whole_state("blog@laptop", muted_until_ns=1))
    with served(*states) as api:
        muted = Mutes(Settings(api=api.url))
        assert await muted(ALERT)
        assert await muted(ALERT | {"type": "alert_resolved"})
        assert not await muted(ALERT | {"type": "error"})
        assert not await muted(ALERT | {"workspace_id": "blog@laptop"}), "that mute is over"
        assert not await muted(ALERT | {"workspace_id": "gone/../../x"})
        assert not await muted(ALERT | {"workspace_id": None})


async def test_an_api_that_made_its_own_token_is_asked_with_it(tmp_path: Path) -> None:
    shop = whole_state("shop@laptop", muted_until_ns=time.time_ns() + 3_600 * 10**9)
    with served(shop, guard=Guard(None, make_token(tmp_path), None)) as api:
        assert await Mutes(Settings(api=api.url, data_dir=tmp_path))(ALERT)
        early = Mutes(Settings(api=api.url, data_dir=tmp_path / "first start"))
        (tmp_path / "first start").mkdir()
        (tmp_path / "first start" / FILE).write_text(make_token(tmp_path))
        assert await early(ALERT), "also by handlers that were there before the token"
        assert not await Mutes(Settings(api=api.url, data_dir=tmp_path / "another"))(ALERT), "refused, it mutes nothing"


async def test_an_api_that_does_not_answer_mutes_nothing() -> None:
    assert not await Mutes(Settings(api="http://127.0.0.1:9"))(ALERT)
    assert not await Mutes(Settings(api="nonsense"))(ALERT)
