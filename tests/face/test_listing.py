"""The list as kept bytes: compressed or plain it says the same, it costs nothing while nothing changes, and a status is never old."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.api import listing as listing_module
from streams.api import packing
from streams.api.guard import Guard
from streams.api.listing import Listing, Listings
from streams.api.shelf import Shelf
from tests.face.api_parts import make_live, put_state, put_usage, whole_event, whole_state, whole_usage
from tests.face.test_api import client
from tests.sinks.records import sample

MANY = [whole_state(f"ws-{number:03}@laptop", workspace_name=f"ws-{number:03}") for number in range(80)]
GZIP = {"accept-encoding": "br, gzip;q=0.8"}


def whole(live: Any) -> Listing:
    return Listing(Shelf(live.states, live.usage), lambda: (list(live.states), None))


async def test_compressed_and_plain_answers_say_the_same_and_tell_caches_so() -> None:
    live = make_live(*MANY)
    async with client(live) as api:
        for path in ("/api/v1/workspaces", "/api/v1/workspaces?q=ws-00&limit=3"):
            plain = await api.get(path, headers={"accept-encoding": "gzip;q=0, identity"})
            packed = await api.get(path, headers=GZIP)
            assert "content-encoding" not in plain.headers
            assert packed.headers["content-encoding"] == "gzip"
            assert plain.json() == packed.json()
            assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
            assert plain.headers["etag"] == packed.headers["etag"]
            assert plain.headers.get("link") == packed.headers.get("link")
            assert (await api.get(path, headers=GZIP | {"if-none-match": packed.headers["etag"]})).status_code == 304


async def test_other_long_answers_are_compressed_too_and_short_ones_are_not() -> None:
    live = make_live(*MANY)
    live.recent.add(whole_event(1))
    async with client(live) as api:
        document = await api.get("/openapi.json", headers=GZIP)
        assert document.headers["content-encoding"] == "gzip"
        assert document.headers["vary"] == "Accept-Encoding"
        assert document.json()["openapi"]
        assert "content-encoding" not in (await api.get("/api/v1/statistics", headers=GZIP)).headers


async def test_while_nothing_changes_the_same_bytes_are_given_again() -> None:
    live = make_live(*MANY)
    listing = whole(live)
    first = await listing.now()
    assert await listing.now() is first
    put_usage(live, whole_usage(workspace_id="ws-001@laptop", tick_at_ns=time.time_ns(), samples=[sample()]))
    assert await listing.now() is first, "a figure may wait a moment"


async def test_a_change_of_state_shows_in_the_next_answer_and_a_figure_soon_after(monkeypatch: pytest.MonkeyPatch) -> None:
    live = make_live(*MANY)
    listing = whole(live)
    await listing.now()
    put_state(live, MANY[7] | {"status": "inactive", "seq": 9})
    made = await listing.now()
    for body in (made.body, gzip.decompress(made.packed)):
        assert [state["status"] for state in orjson.loads(body)].count("inactive") == 1
    monkeypatch.setattr(listing_module, "_FRESH_S", 0.0)
    put_usage(live, whole_usage(workspace_id=MANY[7]["workspace_id"], tick_at_ns=time.time_ns(), samples=[sample(pids=41)]))
    monkeypatch.setattr(listing_module, "_OLDEST_S", 1e9)
    assert await listing.now() is made, "nobody waits for a figure"
    assert listing._next is not None
    assert b'"pids":41' in (await listing._next).body
    assert b'"pids":41' in (await listing.now()).body
    put_usage(live, whole_usage(workspace_id=MANY[7]["workspace_id"], tick_at_ns=time.time_ns(), samples=[sample(pids=42)]))
    monkeypatch.setattr(listing_module, "_OLDEST_S", 0.0)
    assert b'"pids":42' in (await listing.now()).body, "but none is older than it may be"


async def test_only_the_block_that_changed_is_compressed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bytes] = []

    def counted(plain: bytes) -> packing.Piece:
        begun.append(plain)
        return packing.piece_of(plain)

    monkeypatch.setattr(listing_module, "piece_of", counted)
    monkeypatch.setattr(listing_module, "_BLOCK", 10)
    live = make_live(*MANY)
    listing = whole(live)
    await listing.now()
    assert len(begun) == 8 + 1
    begun.clear()
    put_state(live, MANY[33] | {"reason": "news", "seq": 9})
    made = await listing.now()
    assert [b"ws-033" in plain for plain in begun] == [True, False], "its block, and the end of the list"
    assert orjson.loads(gzip.decompress(made.packed)) == orjson.loads(made.body)
    for state in MANY[5:]:
        put_state(live, None, state["workspace_id"])
    assert len(orjson.loads(gzip.decompress((await listing.now()).packed))) == 5
    for state in MANY[:5]:
        put_state(live, None, state["workspace_id"])
    assert gzip.decompress((await listing.now()).packed) == b"[]"


@given(st.lists(st.binary(max_size=2_000), max_size=6))
def test_pieces_one_behind_the_other_are_one_gzip_file(parts: list[bytes]) -> None:
    assert gzip.decompress(packing.gzip_of([packing.piece_of(part) for part in parts])) == b"".join(parts)


async def test_many_who_ask_at_once_share_two_lists_and_nobody_gets_what_was_before() -> None:
    live = make_live(*MANY)
    shelf, begun, under_way = Shelf(live.states, live.usage), [], asyncio.Event()

    def choice() -> tuple[list[Any], None]:
        begun.append(live.states.changes)
        under_way.set()
        return list(live.states), None

    listing = Listing(shelf, choice)
    early = asyncio.create_task(listing.now())
    await under_way.wait()
    late = []
    for number in range(20):
        put_state(live, MANY[0] | {"reason": f"news {number}", "seq": number + 2})
        late.append(asyncio.create_task(listing.now()))
    await early
    for made in await asyncio.gather(*late):
        assert b"news 19" in gzip.decompress(made.packed)
    assert len(begun) == 2


async def test_questions_that_nobody_repeats_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    live = make_live(*MANY)
    shelf = Shelf(live.states, live.usage)
    one = whole(live)
    await one.now()
    monkeypatch.setattr(listing_module, "_MOST_BYTES", 10 * one.size)
    listings = Listings(shelf)
    for number in range(50):
        await listings.of(number, lambda: (list(live.states), None)).now()
    assert sum(each.size for each in listings._known.values()) <= 11 * one.size
    assert listings.of(49, lambda: ([], None)).size > 0, "the latest is still there"


async def test_questions_without_an_answer_and_long_ones_do_not_fill_the_memory_either(monkeypatch: pytest.MonkeyPatch) -> None:
    live = make_live(*MANY[:1])
    listings = Listings(Shelf(live.states, live.usage))
    for number in range(500):
        listings.of(number, lambda: ([], None))
    assert len(listings._known) <= 128
    monkeypatch.setattr(listing_module, "_MOST_BYTES", 100_000)
    for number in range(50):
        listings.of(f"{number:010000}", lambda: ([], None))
    assert len(listings._known) <= 10


async def test_a_question_is_only_so_long_and_the_document_says_so() -> None:
    longest = {"q": 300, "engine": 300, "label": 1_000, "cursor": 4_000}
    async with client(make_live(*MANY[:3])) as api:
        for name, length in longest.items():
            answer = await api.get("/api/v1/workspaces", params={name: "x" * (length + 1)})
            assert (answer.status_code, name in answer.json()["detail"]) == (422, True), name
        assert (await api.get("/api/v1/workspaces", params={"q": "x" * 300})).json() == []
        assert (await api.get("/api/v1/workspaces", params={"label": [f"team-{number}" for number in range(21)]})).status_code == 422
        asked = (await api.get("/openapi.json")).json()["paths"]["/api/v1/workspaces"]["get"]["parameters"]
    said = {each["name"]: each["schema"] for each in asked}
    for name in ("q", "engine", "cursor"):
        assert said[name]["anyOf"][0]["maxLength"] == longest[name]
    assert (said["label"]["anyOf"][0]["maxItems"], said["label"]["anyOf"][0]["items"]["maxLength"]) == (20, 1_000)


async def test_what_is_kept_is_no_way_around_the_guard() -> None:
    live = make_live(*MANY)
    async with client(live, guard=Guard(None, "all", None)) as api:
        assert (await api.get("/api/v1/workspaces", headers={"authorization": "Bearer all"})).status_code == 200
        assert (await api.get("/api/v1/workspaces")).status_code == 401
