"""The usage agent: decode, fold, publish; what is ordinary of a slice all at once, the rest tick by tick.

Both ways give the same values and the same outputs in the same order, so how the log is cut into slices is nobody's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas import topics
from schemas.codec import Undecodable
from schemas.publish import Record
from schemas.tick_decoder import decode_tick
from streams.agents import Writer, decode_keyed
from streams.columns.intake import take_in
from streams.columns.slices import Found, Levels, Look, remember
from streams.core import usage
from streams.core.gathering import Kept
from streams.core.invalid import InvalidMessage
from streams.core.usage import WINDOWS_A_RECORD, UsageState, fold_tick, let_go, owed_at_ms, publish_owed
from streams.core.window_set import Due
from streams.dead_letters import DeadLetters
from streams.lane import Input, Table
from streams.owed import Owed
from streams.usage_telling import UsageTelling

#: Bytes of ticks that are looked at together: some thousand samples, some tens of milliseconds of work where so many wait.
_TOGETHER_BYTES: Final = 600_000
#: Fewer ticks are folded faster one by one.
_FEW: Final = 8
#: Makes a NamedTuple without the Python function that belongs to it: for what is made for every message.
_new: Final = tuple.__new__


class UsageAgent:
    """docker.stats → workspace.usage: derived samples of each tick, and windows when they are due.

    Args:
        telling: tells what else follows; None: nothing does.
    """

    def __init__(self, table: Table[UsageState], writer: Writer, refused: DeadLetters, telling: UsageTelling | None = None) -> None:
        self._table = table
        self._writer = writer
        self._refused = refused
        self._telling = telling
        self._samples = writer.maker(topics.WORKSPACE_USAGE, "samples")
        self._windows = writer.maker(topics.WORKSPACE_USAGE, "windows")
        self._look = Look()
        self.few = _FEW
        """Fewer ticks, or windows, than this are folded one by one."""
        self.ordinary = 0
        """Ticks that were folded with others, since the worker's start."""
        self._waiting: list[Input] = []
        self._waiting_bytes = 0
        self._folded = 0
        self._last: Input | None = None
        self._owed: dict[int, Owed] = {}

    def begin(self, partition: int) -> None:
        """What the partition's windows owe is found out anew."""
        self._owed[partition] = Owed(self._table.keys(partition))

    def fold(self, record: Input) -> None:
        """Takes one tick; it is folded with those that follow, at the latest when the slice ends."""
        self._waiting.append(record)
        self._waiting_bytes += len(record.value or b"")
        if self._waiting_bytes >= _TOGETHER_BYTES:
            self._fold_waiting()

    def finish(self) -> None:
        """Folds what waits, and publishes what windows of any workspace owe although no sample of theirs comes any more."""
        self._fold_waiting()
        record, folded = self._last, self._folded
        self._last, self._folded = None, 0
        if record is not None:
            self._publish_owed(record, folded)

    def _fold_waiting(self) -> None:
        records, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not records:
            return
        said: list[list[Record]] = [[] for _ in records]
        refusals: dict[int, Undecodable | InvalidMessage] = {}
        again = self._fold_numbers(records, range(len(records)), said, refusals, look_again=True)
        if again:
            self._fold_numbers(records, again, said, refusals, look_again=False)
        self._say(records, said, refusals)
        self._last = records[-1]
        self._folded += len(records)

    def _fold_numbers(
        self,
        records: Sequence[Input],
        numbers: Sequence[int],
        said: list[list[Record]],
        refusals: dict[int, Undecodable | InvalidMessage],
        *,
        look_again: bool,
    ) -> list[int]:
        """Folds some records; those behind a tick that was not ordinary are returned if they are to be looked at again."""
        get = self._table.get
        found: dict[int, Found | None] = dict.fromkeys(numbers)
        if len(numbers) >= self.few:
            some = [records[number] for number in numbers]
            looked_at = self._look.over([get(record.position.partition, record.key or b"") for record in some], some)
            found.update(zip(numbers, looked_at, strict=True))
        singly: set[bytes | None] = set()
        again: list[int] = []
        left = list(numbers)
        while left:
            left = self._fold_some(records, found, left, singly, again if look_again else None, said, refusals)
        return again

    def _fold_some(
        self,
        records: Sequence[Input],
        found: dict[int, Found | None],
        some: list[int],
        singly: set[bytes | None],
        again: list[int] | None,
        said: list[list[Record]],
        refusals: dict[int, Undecodable | InvalidMessage],
    ) -> list[int]:
        """Folds of some records those that need not wait for another of their workspace; returns the numbers of those that do.

        The ordinary ones are noted first, so that all windows that are full or due take in their rows at once. What a workspace's
        tick makes of windows, or tells with a look at them, has to be done before the next is noted.

        Args:
            singly: workspaces that had a tick which was not ordinary: those behind it were judged as if it had been.
            again: gets these; None: they are folded by themselves, too.
            said: gets what follows from each.
            refusals: gets what is refused.
        """
        telling = self._telling
        looked_at: set[bytes | None] = set()
        waiting: set[bytes | None] = set()
        now: list[int] = []
        left: list[int] = []
        full: list[Kept] = []
        for number in some:
            record, one = records[number], found[number]
            key = record.key
            if key in waiting:
                left.append(number)
            elif key in singly and again is not None:
                again.append(number)
            elif one is None or key in singly or not one.still_holds():
                found[number] = None
                singly.add(key)
                looked_at.add(key)
                now.append(number)
            elif key in looked_at:
                waiting.add(key)
                left.append(number)
            else:
                its_full = one.take(record.position)
                full += its_full
                now.append(number)
                loud = not one.calm or (telling is not None and telling.is_watched(one.state, one.engine.engine_id))
                if its_full or one.due is not None or loud:
                    looked_at.add(key)
                else:
                    one.quiet = True
                    self._table.put(record.position.partition, key or b"", one.state)
                    self._remember_owed(one.state, record)
        take_in(full, self.few)
        for number in now:
            one = found[number]
            self._writer.held = said[number]
            if one is None:
                refusal = self._fold_one(records[number])
                if refusal is not None:
                    refusals[number] = refusal
            else:
                self._publish_ordinary(records[number], one, said[number])
        self._writer.held = None
        return left

    def _say(self, records: Sequence[Input], said: list[list[Record]], refusals: Mapping[int, Undecodable | InvalidMessage]) -> None:
        """Says in the order of the log what followed from some records."""
        begin = 0
        for number in (*sorted(refusals), len(records)):
            if number > begin:
                self._refused.accept(number - begin)
                self._writer.send_each(said[begin:number], records[begin:number])
            if number in refusals:
                self._refused.refuse(records[number], refusals[number].code, refusals[number].reason)
            begin = number + 1

    def _fold_one(self, record: Input) -> Undecodable | InvalidMessage | None:
        """Folds a tick by itself; returns why it is refused."""
        partition, key = record.position.partition, record.key or b""
        try:
            tick = decode_keyed(decode_tick, record, "workspace_id")
            state = self._table.get(partition, key) or usage.initial(tick["workspace_id"])
            state, outputs = fold_tick(state, tick, record.position, record.timestamp_ms)
        except (Undecodable, InvalidMessage) as error:
            return error
        self._table.put(partition, key, state)
        self._publish(state, outputs, record)
        if self._telling is not None:
            self._telling.tell(state, outputs, tick, record)
        if state.position == record.position:
            remember(state, tick, record.value, self._levels(state, tick["labels"]))
        self._remember_owed(state, record)
        return None

    def _publish_ordinary(self, record: Input, one: Found, said: list[Record]) -> None:
        """Says what follows from an ordinary tick that was folded; what is sent is being kept in `said`."""
        self.ordinary += 1
        key, state, position = record.key or b"", one.state, record.position
        epoch, _, offset = position
        headers = (*self._samples.headers, ("wst-id", b"usage.%d.%d.0.%b" % (epoch, offset, key)))
        said.append(_new(Record, (self._samples.topic, key, one.samples_record(position), headers, record.timestamp_ms)))
        telling = self._telling
        if one.quiet:
            if telling is not None:
                telling.tell_calm(state, one.whose(), one.derived_samples, one.decoded, record)
            return
        self._table.put(position.partition, key, state)
        if one.due is not None:
            self._publish_windows(one.due, record, one, said)
            let_go(state, one.engine)
        if telling is not None:
            if one.calm and not telling.is_watched(state, one.engine.engine_id):
                telling.tell_calm(state, one.whose(), one.derived_samples, one.decoded, record)
            else:
                telling.tell(state, [{"kind": "samples", "samples": one.samples()}], one.decoded(), record)
        self._remember_owed(state, record)

    def _publish_windows(self, windows: list[Due], record: Input, one: Found, said: list[Record]) -> None:
        key, (epoch, _, offset) = record.key or b"", record.position
        for number, begin in enumerate(range(0, len(windows), WINDOWS_A_RECORD), 1):
            value = one.windows_record(record.position, windows[begin : begin + WINDOWS_A_RECORD])
            headers = (*self._windows.headers, ("wst-id", b"usage.%d.%d.%d.%b" % (epoch, offset, number, key)))
            said.append(_new(Record, (self._windows.topic, key, value, headers, record.timestamp_ms)))

    def _levels(self, state: UsageState, labels: Mapping[str, str]) -> Levels | None:
        return (float("inf"), float("inf")) if self._telling is None else self._telling.levels(state.workspace_id, labels)

    def _publish(self, state: UsageState, outputs: Sequence[Mapping[str, Any]], record: Input, first: int = 0) -> None:
        epoch, _, offset = record.position
        for number, output in enumerate(outputs, first):
            record_id = f"usage.{epoch}.{offset}.{number}.{state.workspace_id}"
            self._writer.write(topics.WORKSPACE_USAGE, state.workspace_id, output, output["kind"], record_id, record)

    def _remember_owed(self, state: UsageState, record: Input) -> None:
        owed, key = self._owed[record.position.partition], record.key or b""
        if key not in owed and (at_ms := owed_at_ms(state)) is not None:
            owed.remember(key, at_ms)

    def _publish_owed(self, record: Input, folded: int) -> None:
        """What some workspaces owe by a record's time, a few for each record that was folded."""
        partition = record.position.partition
        owed = self._owed[partition]
        for key in owed.due(record.timestamp_ms, folded):
            state = self._table.get(partition, key)
            if state is None:
                continue
            outputs = publish_owed(state, record.timestamp_ms)
            if outputs:
                self._table.put(partition, key, state)
                self._publish(state, outputs, record)
            at_ms = owed_at_ms(state)
            if at_ms is not None:
                owed.remember(key, at_ms)
