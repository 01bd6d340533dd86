"""Killed, paused, expelled, without a broker: afterwards state and outputs are those of a fold that nothing disturbed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.lane import EXIT_ENDED
from tests.lane.site import SESSION_S, Site, Worker, numbers, site_on
from tests.lane.tally import reference
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, wait_until

pytestmark = pytest.mark.kafka

#: Kills of the random campaign; `make faults` asks for more.
ROUNDS = int(os.environ.get("WST_FAULT_ROUNDS", "2"))


@pytest.fixture
def site(kafka: KafkaBroker, unique: str, tmp_path: Path) -> Iterator[Site]:
    with site_on(kafka, unique, tmp_path) as site:
        yield site


class Trickle:
    """Offers numbers in the background, a few at a time."""

    def __init__(self, site: Site, count: int, seed: int) -> None:
        self._site = site
        self._numbers = numbers(seed, count)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for begin in range(0, len(self._numbers), 100):
            self._site.offer(self._numbers[begin : begin + 100])
            time.sleep(0.02)

    def wait(self) -> None:
        self._thread.join(PATIENCE_S)
        assert len(self._site.offered) == len(self._numbers)


def wait_for_progress(site: Site, before: int = 0) -> None:
    """Waits until more than `before` records are committed, or all there are: a quick worker may have nothing left to do.

    A worker that ended itself meanwhile, for want of time on a busy machine, is started again.
    """

    def moved() -> bool:
        if site.workers[-1].process.poll() == EXIT_ENDED:
            site.start()
        committed = site.committed()
        return committed > before or committed == len(site.offered)

    wait_until(moved, "progress")


class Keeper:
    """Keeps one worker running, as a supervisor does."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.worker: Worker = site.start()

    def __call__(self) -> None:
        if self.worker.process.poll() is not None:
            self.worker = self._site.start()


def test_killed_at_any_step_of_a_commit_nothing_is_lost_and_nothing_counted_twice(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        # All three at once: what takes time is the end of a dead member's session.
        sites = {}
        for point in ("after-outputs", "after-changelog", "after-commit"):
            folder = tmp_path / point
            folder.mkdir()
            sites[point] = stack.enter_context(site_on(kafka, f"{unique}-{point}", folder))
        for site in sites.values():
            site.offer(numbers(11, 2_000))
        victims = [site.start(FAULT=f"{point}:3") for point, site in sites.items()]
        for victim in victims:
            assert victim.wait() == -signal.SIGKILL, victim.said()
        keepers = [Keeper(site) for site in sites.values()]
        for site in sites.values():
            site.offer(numbers(12, 2_000))
        for site, keeper in zip(sites.values(), keepers, strict=True):
            site.wait_until_all_is_committed(keep=keeper)
            site.check()


def test_killed_at_random_moments_nothing_is_lost_and_nothing_counted_twice(site: Site) -> None:
    seed = random.randrange(1_000_000)
    draw = random.Random(seed)
    trickle = Trickle(site, 20_000, seed)
    for _ in range(ROUNDS):
        before = site.committed()
        site.start()
        wait_for_progress(site, before)
        time.sleep(draw.random() * 0.3)
        site.workers[-1].kill()
    trickle.wait()
    site.wait_until_all_is_committed(keep=Keeper(site))
    site.check()


def test_paused_past_its_session_before_a_write_it_overwrites_nothing_of_its_successor(site: Site) -> None:
    site.offer(numbers(21, 3_000))
    paused = site.start(PAUSE="before-write")
    wait_until(paused.is_stopped, "the pause")
    successor = Keeper(site)
    site.offer(numbers(22, 3_000))
    site.wait_until_all_is_committed(keep=successor)
    paused.signal(signal.SIGCONT)
    assert paused.wait() == EXIT_ENDED
    assert "more than half of a session" in paused.said()
    site.check()
    # What a third would recover from is what the second has written.
    successor.worker.kill()
    site.offer(numbers(23, 500))
    site.wait_until_all_is_committed(keep=successor)
    site.check()


def test_paused_past_its_session_in_the_middle_of_a_stream_it_overwrites_nothing(site: Site) -> None:
    trickle = Trickle(site, 15_000, random.randrange(1_000_000))
    first, _second = site.start(), site.start()
    wait_for_progress(site)
    first.signal(signal.SIGSTOP)
    time.sleep(SESSION_S * 1.8)
    first.signal(signal.SIGCONT)
    keeper = Keeper(site)
    trickle.wait()
    site.wait_until_all_is_committed(keep=keeper)
    site.check()


def test_paused_for_less_than_half_a_session_it_goes_on(site: Site) -> None:
    site.offer(numbers(31, 1_000))
    worker = site.start()
    site.wait_until_all_is_committed()
    worker.signal(signal.SIGSTOP)
    site.offer(numbers(32, 1_000))
    time.sleep(SESSION_S * 0.3)
    worker.signal(signal.SIGCONT)
    site.wait_until_all_is_committed()
    assert worker.process.poll() is None
    site.check()


def test_workers_come_and_go_while_records_flow(site: Site) -> None:
    trickle = Trickle(site, 20_000, random.randrange(1_000_000))
    first = site.start()
    wait_for_progress(site)
    second = site.start()
    time.sleep(1.5)
    third = site.start()
    wait_until(lambda: third.handles(signal.SIGTERM), "the third worker")
    time.sleep(random.random())
    for leaver in (first, third):
        leaver.signal(signal.SIGTERM)
        assert leaver.wait() == 0
    trickle.wait()
    site.wait_until_all_is_committed(keep=Keeper(site))
    assert second.process.poll() in (None, EXIT_ENDED)
    site.check()


def test_asked_to_stop_it_commits_what_it_folded(site: Site) -> None:
    site.offer(numbers(41, 5_000))
    worker = site.start(COMMIT_S="30")
    wait_until(lambda: len(site.outputs()) >= 5_000, "outputs")
    assert site.committed() == 0
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert site.committed() == 5_000
    site.check()


def test_topics_made_anew_are_folded_under_a_new_epoch_and_refused_under_the_old_one(site: Site) -> None:
    site.offer(numbers(61, 1_000))
    worker = site.start()
    site.wait_until_all_is_committed()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    before = site.offered.copy()
    site.make_source_anew()
    site.offer(numbers(62, 500))
    refused = site.start()
    assert refused.wait() == EXIT_ENDED
    assert "another one under an old epoch" in refused.said()
    site.start(EPOCH="2")
    wait_until(lambda: site.durable() == reference(before + site.offered)[0], "the new log to be folded")


def test_a_changelog_that_is_gone_is_not_taken_for_an_empty_table(site: Site) -> None:
    site.offer(numbers(71, 1_000))
    worker = site.start()
    site.wait_until_all_is_committed()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    site.make_anew(site.changelog)
    refused = site.start()
    assert refused.wait() == EXIT_ENDED
    assert "its changelog is empty" in refused.said()


def test_the_broker_dies_and_comes_back(private_kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    with site_on(private_kafka, unique, tmp_path) as site:
        site.offer(numbers(51, 3_000))
        keeper = Keeper(site)
        wait_for_progress(site)
        private_kafka.kill()
        time.sleep(SESSION_S)
        private_kafka.restart()
        site.offer(numbers(52, 3_000))
        site.wait_until_all_is_committed(keep=keeper)
        site.check()
