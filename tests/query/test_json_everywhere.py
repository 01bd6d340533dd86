"""Every command that reads or asks prints JSON that programs can read, and nothing else, where `--json` stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from schemas import topics
from streams.api.desk import Desk
from streams.query.clickhouse_archive import ClickHouseArchive
from tests.core_state.makers import event as fact
from tests.face.api_parts import Served, served, whole_state
from tests.face.folding import FoldingLog
from tests.face.test_cli import wst
from tests.face.test_completion import COMMANDS
from tests.query.story import told
from tests.sinks import records
from tests.sinks.archives import Real, embedded_url, open_archive
from tests.sinks.records import arrive, position, rows_of
from tests.time.log import Log

FACTS = (fact("start", 0), fact("die", 10, exit_code=1))
#: A workspace that has a past; `shop` and `lab` are there now.
PAST = FACTS[0]["workspace_id"]

#: In this order: later ones find what earlier ones have made.
ASKED = (
    ("status",),
    ("status", "shop"),
    ("events", "--since", "3d"),
    ("history", "shop@laptop", "--since", "2d"),
    ("trend",),
    ("top", "--since", "2d"),
    ("alerts", "--all"),
    ("engines",),
    ("as-of", "1s ago"),
    ("why", PAST),
    ("idle", "--dry-run", "--inactive-after", "1h"),
    ("query", "SELECT count() AS n FROM samples"),
    ("config",),
    ("token",),
    ("doctor",),
    ("dead-letters", "list"),
    ("dead-letters", "show", "LETTER"),
    ("dead-letters", "replay", "LETTER"),
    ("register", "lab@laptop"),
    ("rename", "lab@laptop", "연구실"),
    ("mute", "lab@laptop", "--for", "1h"),
    ("unmute", "lab@laptop"),
    ("archive", "lab@laptop"),
    ("unarchive", "lab@laptop"),
    ("archive", "lab@laptop"),
    ("restore", "lab@laptop"),
    ("forget", "lab@laptop"),
    ("set", "collect-interval", "5s"),
)
#: Asked for JSON where the part they need is there: a real broker, a log, an engine.
ELSEWHERE = {"topics plan": "tests/face/test_topics.py", "replay": "tests/time/test_replay.py", "sync": "tests/e2e/test_commands.py"}


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    """An API with a desk, over an archive that has a past of everything."""

    async def fill() -> Real:
        real = open_archive(embedded_url(), f"t{uuid4().hex[:10]}")
        log = Log()
        log.slice(FACTS)
        for block in (*told(), *log.rows()):
            await real.write([block])
        for number in (7, 8):
            await real.write(rows_of(topics.DEAD_LETTERS, arrive(topics.DEAD_LETTERS, records.dead_letter(number), position(number))))
        return real

    def prepare(one: Served) -> None:
        object.__setattr__(one.site, "desk", Desk(FoldingLog(one.live), one.live, "wst."))

    real = asyncio.run(fill())
    with served(whole_state("shop@laptop"), prepare=prepare, archive=lambda: ClickHouseArchive(real.address)) as serving:
        yield serving
    asyncio.run(real.close())


def test_each_gives_one_document_or_one_a_line_and_says_nothing_beside(api: Served, tmp_path_factory: pytest.TempPathFactory) -> None:
    told_where = {
        "WST_API": api.url,
        "WST_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "WST_ENGINES": "ssh://me@far",
        "FORCE_COLOR": "1",
    }
    listed = json.loads(wst("dead-letters", "list", "--json", **told_where).stdout)
    letter = (listed["dead_letters"] if isinstance(listed, dict) else listed)[0]["id"]
    for command in ASKED:
        words = [letter if word == "LETTER" else word for word in command]
        done = wst(*words, "--json", **told_where)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stderr == "", command
        assert "\x1b" not in done.stdout, command
        if command[0] == "events":
            assert [json.loads(line) for line in done.stdout.splitlines()], command
        else:
            assert json.loads(done.stdout) is not None, command


def test_a_list_that_is_cut_says_so_beside_it(api: Served) -> None:
    cut = wst("dead-letters", "list", "--limit", "1", "--json", WST_API=api.url)
    assert len(json.loads(cut.stdout)) == 1
    assert "there are more: see --limit" in cut.stderr
    assert wst("dead-letters", "list", "--limit", "2", WST_API=api.url).stderr == ""


def test_no_command_is_left_out() -> None:
    with_json = {" ".join(path) for path, command in COMMANDS.items() if any("--json" in each.opts for each in command.params)}
    asked = {name for name in with_json for command in ASKED if list(command)[: len(name.split())] == name.split()}
    assert with_json - asked == set(ELSEWHERE)
