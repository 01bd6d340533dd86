"""A scripted round: a second producer of the engine by mistake, then full disks under the archive and under the producer's outbox."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from producers.fleet import FleetPlan
from tests.faults import checker
from tests.faults.campaign import where
from tests.faults.keeper import Archive, Broker, Keeper
from tests.faults.site import Site, log_of
from tests.platform.disk import SmallDisk

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse_http, pytest.mark.disk]


def test_a_second_producer_is_refused_and_full_disks_of_archive_and_outbox_are_waited_for_and_nothing_is_lost_or_double(
    tmp_path: Path, unique: str
) -> None:
    archive = Archive()
    with ExitStack() as stack:
        disks = [
            stack.enter_context(SmallDisk(archive.folder / "data", 128)),
            stack.enter_context(SmallDisk(tmp_path / "producer", 32)),
        ]
        stack.enter_context(archive)
        broker = stack.enter_context(Broker())
        site = Site([broker], archive, unique.replace("-", "_"), tmp_path, FleetPlan(seed=5, seconds=16.0))
        site.settled = True  # no part carries a fault of its own
        stack.callback(site.close)
        site.begin()
        site.keepers["clickhouse"] = Keeper("clickhouse", archive)  # it may end on the full disk
        second = site.add("producer 2", ("producer",))
        site.until(lambda: bool(second.ends), "the second producer to be refused")
        site.drop("producer 2")
        assert "watches the engine fleet" in log_of(second.part)
        for disk in disks:
            disk.fill()
        site.until(lambda: all(words in said(site) for words in ("NOT_ENOUGH_SPACE", "is the disk full?")), "both to be said")
        for disk in disks:
            disk.free()
        site.settle()
        report = checker.check(where(site))
    assert report.differences == []
    assert report.compared["changes of state"] > 300


def said(site: Site) -> str:
    return "".join(log_of(keeper.part) for keeper in site.keepers.values())
