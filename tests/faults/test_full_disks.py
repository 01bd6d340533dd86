"""Disks that are full for a while: under the archive and under the producer's outbox, then all goes on with nothing missing."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from producers.fleet import FleetPlan
from tests.faults import checker
from tests.faults.campaign import whereabouts
from tests.faults.keeper import Archive, Broker
from tests.faults.site import Site, log_of
from tests.platform.disk import SmallDisk

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse_http, pytest.mark.disk]


def test_full_disks_of_archive_and_outbox_are_waited_for_and_cost_nothing(tmp_path: Path, unique: str) -> None:
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
        site.run_for(4)
        for disk in disks:
            disk.fill()
        site.run_for(6)
        for disk in disks:
            disk.free()
        site.settle()
        report = checker.check(whereabouts(site))
        said = "".join(log_of(keeper.part) for keeper in site.keepers.values())
    assert report.differences == []
    assert report.compared["changes of state"] > 300
    for words in ("NOT_ENOUGH_SPACE", "is the disk full?"):
        assert words in said
