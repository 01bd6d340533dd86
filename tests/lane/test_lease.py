"""The right to send: half a session after the last answered heartbeat was sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faust.types import TP

from schemas.steady import steady_clock
from streams.lane.consumer import prove_membership
from streams.lane.kafka import guard_socket
from streams.lane.lease import Lease
from tests.lane.harness import Bench, Clock, Ended, end
from tests.lane.tally import Tally, output


def held(session_s: float = 8.0) -> tuple[Lease, Clock]:
    clock = Clock()
    return Lease(session_s, end, clock), clock


def test_nothing_may_be_sent_before_the_group_has_answered_once() -> None:
    lease, _ = held()
    with pytest.raises(Ended, match="before the group has confirmed"):
        lease.check()


@pytest.mark.parametrize(("age_s", "holds"), [(0.0, True), (3.9, True), (4.0, True), (4.1, False), (60.0, False)])
def test_it_holds_for_half_a_session(age_s: float, holds: bool) -> None:
    lease, clock = held(8.0)
    lease.renew(clock.now)
    clock.now += age_s
    if holds:
        lease.check()
    else:
        with pytest.raises(Ended, match="more than half of a session of 8 s"):
            lease.check()


def test_a_delivery_ends_within_the_other_half() -> None:
    lease, _ = held(8.0)
    assert lease.delivery_s + lease.session_s / 2 < lease.session_s


def test_the_clock_never_goes_back() -> None:
    first = steady_clock()
    assert steady_clock() >= first


class Coordinator:
    """What aiokafka's coordinator does, as far as the lease looks at it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.alive = True
        self.joined: list[tuple[Any, ...]] = []

    async def _do_heartbeat(self) -> bool:
        self.clock.now += 1.5
        return self.alive

    async def _on_join_complete(self, *arguments: Any) -> None:
        self.joined.append(arguments)


async def test_a_heartbeat_counts_from_when_it_was_sent_not_from_when_it_was_answered() -> None:
    lease, clock = held(8.0)
    coordinator = Coordinator(clock)
    prove_membership(coordinator, lease)
    assert await coordinator._do_heartbeat()
    clock.now += 2.5
    lease.check()
    clock.now += 0.1
    with pytest.raises(Ended):
        lease.check()


async def test_a_refused_heartbeat_renews_nothing() -> None:
    lease, clock = held()
    coordinator = Coordinator(clock)
    prove_membership(coordinator, lease)
    coordinator.alive = False
    assert not await coordinator._do_heartbeat()
    with pytest.raises(Ended):
        lease.check()


async def test_a_join_is_proven_before_anyone_is_told_of_its_partitions() -> None:
    lease, clock = held()
    coordinator = Coordinator(clock)
    prove_membership(coordinator, lease)
    await coordinator._on_join_complete(3, "member")
    lease.check()
    assert coordinator.joined == [(3, "member")]


async def test_outputs_that_wait_too_long_are_not_sent() -> None:
    bench = Bench(session_s=8.0)
    bench.outputs.send(output("out", b"a", Tally(1, 1)))
    bench.outputs.flush(TP("src", 0))
    bench.clock.now += 4.5
    sender = bench.outputs._sender
    assert sender is not None
    with pytest.raises(Ended, match="more than half of a session"):
        await sender
    assert bench.log.records == []


async def test_values_are_not_written_after_a_pause() -> None:
    bench = Bench(session_s=8.0)
    await bench.begin()
    await bench.fold([(b"a", 1)])
    await asyncio.wait(bench.outputs.unsettled(TP("src", 0)))
    bench.clock.now += 4.5
    with pytest.raises(Ended, match="more than half of a session"):
        await bench.committer.commit()
    assert bench.steps == ["outputs"]


class Client:
    """aiokafka's client, as far as the guard uses it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def ready(self, node_id: int, **_options: Any) -> bool:
        return True

    async def send(self, node_id: int, request: Any, **_options: Any) -> None:
        self.sent.append(request)


class ProducerOf:
    def __init__(self, client: Client) -> None:
        self.client = client


async def test_a_produce_request_that_was_waiting_in_the_client_asks_the_lease_at_the_socket() -> None:
    from aiokafka.protocol.produce import ProduceRequest

    lease, clock = held(8.0)
    lease.renew(clock.now)
    client = Client()
    guard_socket(ProducerOf(client), lease)
    request = object.__new__(ProduceRequest)
    await client.send(1, request)
    await client.send(1, "metadata")
    clock.now += 5
    await client.send(1, "metadata")
    with pytest.raises(Ended):
        await client.send(1, request)
    assert client.sent == [request, "metadata", "metadata"]
