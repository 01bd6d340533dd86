"""The API's one way to write: what people ask for goes to the log as a record, and what comes back from the log is the answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from schemas.identity import command_fact_id
from schemas.publish import Publisher, Record
from schemas.requests import command_record, interval_record, sync_record
from streams.api.live import Live

#: How long an answer is waited for, s: a worker that takes over a dead one's partitions needs some.
WAIT_S: Final = 15.0

#: Of so many commands it is remembered what they were.
_KEEP: Final = 10_000

Event = Mapping[str, Any]


class NoAnswer(Exception):
    """It is in the log, and nobody has answered yet."""


class UsedBefore(Exception):
    """The id was given with another command: it would count as obeyed, and nothing would be done."""


class Desk:
    """Writes requests and waits for their outcome.

    Args:
        wait_s: for so long at most.
    """

    def __init__(self, publisher: Publisher, live: Live, prefix: str, wait_s: float = WAIT_S) -> None:
        self._publisher = publisher
        self._live = live
        self._prefix = prefix
        self._wait_s = wait_s
        self._one_by_one = asyncio.Lock()
        self._given: OrderedDict[str, tuple[str, str, Mapping[str, str]]] = OrderedDict()

    async def command(
        self, workspaces: Sequence[tuple[str, str]], name: str, command_id: str, *, by: str, why: str, arguments: Mapping[str, str]
    ) -> str | None:
        """Gives a command; why it was refused, or None.

        Args:
            workspaces: id and name of each it is for; of several each gets a command of its own.

        Raises:
            NoAnswer: no worker has folded it yet. Asking again with the same id asks once.
            Unreachable: the log does not take it.
            UsedBefore: the same id is another command's.
        """
        self._remember(command_id, (name, arguments.get("engine") or workspaces[0][0], arguments))
        ids = [command_id if len(workspaces) == 1 else f"{command_id}/{workspace_id}" for workspace_id, _ in workspaces]
        answers = self._live.answers
        facts = [command_fact_id(each) for each in ids]
        if not all(answers.knows(fact) for fact in facts):
            pairs = zip(workspaces, ids, strict=True)
            await self.publish(
                command_record(self._prefix, workspace, name, each, by=by, why=why, arguments=arguments) for workspace, each in pairs
            )
            await self._until(lambda: all(answers.knows(fact) for fact in facts))
        return next((refusal for fact in facts if (refusal := answers.refusal(fact)) is not None), None)

    def _remember(self, command_id: str, what: tuple[str, str, Mapping[str, str]]) -> None:
        if self._given.setdefault(command_id, what) != what:
            raise UsedBefore
        if len(self._given) > _KEEP:
            self._given.popitem(last=False)

    async def sync(self, targets: Mapping[str, str], request_id: str, *, everything: bool, workspace_id: str, by: str) -> dict[str, Event]:
        """Asks engines to be listed now; of each that answered in time the `sync_complete`, or the `error` it came to, by engine id.

        Args:
            targets: name by id of the engines asked.
            everything: asks engines that nobody knows yet, too.
        """
        asked = ["*"] if everything else sorted(targets)
        await self.publish(sync_record(self._prefix, target, request_id, workspace_id=workspace_id, by=by) for target in asked)
        wanted = set(targets)

        def answered() -> bool:
            found = self._live.answers.syncs(request_id)
            return bool(found) and wanted <= set(found)

        with contextlib.suppress(NoAnswer):  # who did not answer is said by what is missing
            await self._until(answered)
        return dict(self._live.answers.syncs(request_id))

    async def set_interval(self, target: str, name: str, seconds: float) -> None:
        """Sets an interval, durable on return; producers take it within a moment, or when they start."""
        await self.publish([interval_record(self._prefix, target, name, seconds)])

    async def publish(self, records: Iterable[Record]) -> None:
        """Writes records, durable on return.

        Raises:
            Unreachable: the log does not take them.
        """
        async with self._one_by_one:
            await self._publisher.publish(list(records))

    async def _until(self, condition: Callable[[], bool]) -> None:
        end = asyncio.get_running_loop().time() + self._wait_s
        pulse = self._live.pulse
        while not condition():
            left_s = end - asyncio.get_running_loop().time()
            if left_s <= 0 or pulse.closed:
                raise NoAnswer
            await pulse.after(pulse.count, left_s)
