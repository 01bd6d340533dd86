"""Dead letters by the API, from the real engine: listed, shown, given again byte for byte."""

from __future__ import annotations

import httpx

from schemas import topics
from schemas.codec import codec
from streams.api.app import app_of
from streams.api.desk import Desk
from streams.api.site import Site
from tests.core_state.makers import event
from tests.face.api_parts import LOCAL, make_live
from tests.face.folding import FoldingLog
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.records import arrive, position, rows_of


async def test_letters_are_listed_shown_and_given_again_as_they_were_and_what_was_cut_is_refused(chdb_archive: Real) -> None:
    fact = event("start", 1)
    whole = codec("fact").encode(fact)
    headers = {"wst-type": b"engine_event", "wst-position": b"7"}
    letters = [
        records.dead_letter(7),
        records.dead_letter(8, key=fact["workspace_id"].encode(), value=whole, value_size=len(whole), headers=headers, stage="usage"),
        records.dead_letter(9, value_size=10**6, code="too_large"),
        records.dead_letter(-1, partition=-1, stage="producer"),
        records.dead_letter(10, code="key_mismatch", value=b"abc", headers={"wst-cut": b"key"}),
    ]
    for number, letter in enumerate(letters, 1):
        await chdb_archive.write(rows_of(topics.DEAD_LETTERS, arrive(topics.DEAD_LETTERS, letter, position(number))))
    live = make_live()
    log = FoldingLog(live)
    app = app_of(Site(live, chdb_archive.archive, LOCAL, dict, Desk(log, live, "wst.")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api/api/v1/") as asking:
        listed = (await asking.get("dead-letters")).json()["dead_letters"]
        assert {each["stage"] for each in listed} == {"state", "usage", "producer"}
        [usage] = (await asking.get("dead-letters", params={"stage": "usage", "topic": "docker.events"})).json()["dead_letters"]
        assert (usage["offset"], usage["code"], usage["replayed"]) == (8, "undecodable", False)
        shown = (await asking.get(f"dead-letters/{usage['id']}")).json()
        assert bytes.fromhex(shown["value_hex"]) == whole
        assert shown["decoded"]["engine_event"]["action"] == "start"

        assert (await asking.post("dead-letters/replay", json={"ids": [usage["id"]] * 2})).json() == {"replayed": [usage["id"]]}
        [again] = log.records
        assert (again.topic, again.key, again.value) == ("wst.docker.events", fact["workspace_id"].encode(), whole)
        assert again.headers == (("wst-type", b"engine_event"), ("wst-replayed", usage["id"].encode()))
        assert (await asking.post("dead-letters/replay", json={"ids": [usage["id"]]})).status_code == 200

        by_code = {each["code"]: each["id"] for each in listed}
        producers = next(each["id"] for each in listed if each["stage"] == "producer")
        whole_but_key = (by_code["key_mismatch"], "cut were its key")
        for letter, said in ((by_code["too_large"], "only 3 of 1,000,000 bytes"), (producers, "came from no topic"), whole_but_key):
            refused = await asking.post("dead-letters/replay", json={"ids": [letter]})
            assert refused.status_code == 409
            assert said in refused.json()["detail"]
        assert (await asking.get("dead-letters/1.2.3")).status_code == 404
        assert len(log.records) == 2
