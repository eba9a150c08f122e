"""Calling a handler on a unit of work, and what came of it.

The loop is written once, as a coroutine: for an `async def` handler it runs on the event loop, for a plain `def`
in a thread, where it never waits and so runs through at the first step.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from onward.breaker import Breaker
from onward.codec import HEADERS, KEY, ORIGIN, TIME, VALUE, Codec
from onward.document import Edit
from onward.emit import Emitted, Emitter, Kept, Yields
from onward.errors import BadOutput, BadRecord, CallFailed, TimedOut, Unavailable, Unkeepable
from onward.events import Progressed
from onward.failure import Failure, is_stopped, kind_of, message_of, release
from onward.log import Append, Parked
from onward.outcome import OUTCOMES, Drop, Hold, Later, Reject
from onward.record import Position, Record
from onward.review import UNDECIDED, decision_of
from onward.stage import Stage
from onward.topic import key_function, key_text
from onward.undo import Undo
from onward.window import Chunk

T = TypeVar("T")

_REPEAT = Drop("it has come before")

_PARKING = frozenset([Later, Hold, Reject])

REPEAT = "came before"
"""Why a repeat is dropped."""

SLICE = 0.2
"""Seconds after which a unit stops between two calls, so that what is done can be committed."""


class Unit:
    """Records of one partition that are handed to one call slot, ascending by offset.

    `parked` is aligned with the chunk where the records were parked before, else None. `skipped` records before it
    were passed over, as they had failed when they were to probe. By index: `repeats` are dropped uncalled, by `marks`
    repeats of the others are told. `ids` are by offset, where they are not made of the position. `note`: the
    store is told before the call begins.
    """

    __slots__ = (
        "_verdict",
        "at",
        "chunk",
        "ids",
        "keys",
        "marks",
        "note",
        "parked",
        "probe",
        "repeats",
        "since",
        "skipped",
    )

    def __init__(self, chunk: Chunk, parked: Sequence[Parked] | None = None, *, probe: bool = False) -> None:
        self.chunk = chunk
        self.parked = parked
        self.probe = probe
        self.keys: set[str] = set()
        self.ids: dict[int, str] = {}
        self.repeats: set[int] = set()
        self.marks: dict[int, str] = {}
        self.note = False
        self.at = 0
        self.since = 0.0
        self.skipped = 0
        self._verdict = threading.Lock()

    noted = False
    """Whether somebody wants to know of each call when it begins, by `at` and `since`."""

    def decide(self) -> bool:
        """True for the first who says what is to become of the unit: its call, which ends, or the watch, which ends
        waiting for it."""
        return self._verdict.acquire(blocking=False)

    def reopen(self, reader: Codec) -> None:
        """What came of it could not be kept, and it is to be tried again, with values that no call has changed."""
        self.chunk = self.chunk.fresh(range(len(self)), reader)
        if self._verdict.locked():
            self._verdict.release()

    def __len__(self) -> int:
        return len(self.chunk)


class Called:
    """What came of a unit: indices that are done, failures, those behind a failure, and those not looked at. So many of
    those are to be called `alone`.

    `anew`: some of those were called, and their values perhaps changed, but what came of it does not count.
    """

    __slots__ = (
        "alone",
        "anew",
        "appends",
        "behind",
        "done",
        "drops",
        "edits",
        "failures",
        "outage",
        "records",
        "rest",
    )

    def __init__(self) -> None:
        self.done: Sequence[int] = ()
        self.failures: list[Failure] = []
        self.behind: list[int] = []
        self.rest: Sequence[int] = ()
        self.drops: list[tuple[int, str]] = []
        self.appends: list[Append] = []
        self.records: dict[str, int] = {}
        self.edits: list[Edit] = []
        self.outage = ""
        self.alone = 0
        self.anew = False


class _Apart(Exception):
    """One record of a batch parks, which has to be called alone for that."""


class Caller:
    """For one stage and partition: knows its handler, its codec and its topics."""

    def __init__(
        self,
        stage: Stage,
        partition: int,
        *,
        reader: Codec,
        emitter: Emitter,
        breaker: Breaker,
        identity: str,
        observe: Callable[[Any], None],
        room: Callable[[], int],
    ) -> None:
        self._room = room
        self._stage = stage
        self._reader = reader
        self._emitter = emitter
        self._breaker = breaker
        self.partition = partition
        self.identity = identity
        self._observe = observe
        self._prefix = f"{stage.topic.name}:{partition}:"
        handler = stage.handler
        self._function = handler.function
        self._awaits = handler.is_async and not handler.is_generator
        self._generates = handler.is_generator
        self._wants_record = handler.wants_record
        self._wants_progress = "progress" in handler.needs
        self._wants_approved = "approved" in handler.needs
        self._reviews = stage.review is not None
        self._name_of = key_function(stage.topic.type, stage.idempotency)

    @property
    def room(self) -> int:
        """Bytes that what is given may take before it is committed."""
        return self._room()

    async def run(self, unit: Unit, arguments: dict[str, Any], undo: Undo) -> Called:
        """Calls the handler for the records of the unit, in order, until all are done or the time slice is over."""
        called = Called()
        self._name(unit)
        with undo.here():
            if self._stage.batch:
                await self._whole(called, unit, arguments, undo)
            else:
                await self._each(called, unit, arguments, undo)
        called.edits = undo.edits
        for failure in called.failures:
            if failure.error is not None:
                release(failure.error)
        if called.outage:
            # Nothing parks in an outage: what failed goes back as if it had not been tried.
            called.rest = sorted([*called.rest, *called.behind, *(failure.index for failure in called.failures)])
            called.failures, called.behind = [], []
        return called

    async def _whole(self, called: Called, unit: Unit, arguments: dict[str, Any], undo: Undo) -> None:
        chunk, indices = unit.chunk, range(len(unit))
        if unit.repeats:
            called.done = sorted(unit.repeats)
            called.drops = [(index, REPEAT) for index in called.done]
            indices = [i for i in indices if i not in unit.repeats]  # type: ignore[assignment]
            chunk = chunk.part(indices)
        if indices:
            await self._batch(called, unit, chunk, indices, arguments, undo)

    def _name(self, unit: Unit) -> None:
        """Takes the ids of the records from their values, before any handler may change those."""
        if self._name_of is None or unit.ids:
            return
        for offset, entry in zip(unit.chunk.offsets, unit.chunk.entries, strict=True):
            if offset not in unit.chunk.bad:
                try:
                    unit.ids[offset] = f"{self._stage.name}:{key_text(self._name_of(entry[VALUE]))}"
                except Exception as error:
                    unit.chunk.bad[offset] = BadRecord(
                        f"idempotency= gives no id for it: {type(error).__name__}: {message_of(error)}"
                    )

    async def _each(self, called: Called, unit: Unit, arguments: dict[str, Any], undo: Undo) -> None:
        chunk, bad = unit.chunk, unit.chunk.bad
        inputs: Sequence[Any] = self._inputs(unit) if self._wants_record else [e[VALUE] for e in chunk.entries]
        function, awaits, generates = self._function, self._awaits, self._generates
        call: Callable[..., Any] = partial(function, **arguments) if arguments else function
        special = self._wants_progress or self._wants_approved or self._reviews
        taking_back = type(undo) is not Undo
        timed = self._stage.timeout is not None or unit.noted
        proving = False
        results: list[Any] = []
        out: list[int] = []
        ordered = not self._stage.unordered
        behind: set[int] = set()
        repeats = unit.repeats
        passed = size = 0
        room = self._room()
        begun = now = time.monotonic()
        check = stride = 1
        stopped = len(inputs)
        for index, value in enumerate(inputs):
            if index >= check:
                before, now = now, time.monotonic()
                if now - begun >= SLICE or self._is_much(results):
                    stopped = index
                    break
                stride = stride * 2 if now - before < SLICE / 8 else max(1, stride // 4)
                check = index + stride
            if index in repeats:
                results.append(_REPEAT)
                continue
            if behind and index in behind:
                called.behind.append(index)
                out.append(index)
                continue
            if self._reviews and not self._decided(unit, index):
                called.failures.append(Failure(index, outcome=UNDECIDED))
                out.append(index)
                if ordered:
                    behind.update(chunk.after(index))
                continue
            if timed:
                unit.at, unit.since = index, time.monotonic()
            try:
                if bad and chunk.offsets[index] in bad:
                    raise bad[chunk.offsets[index]]
                if taking_back:
                    undo.mark(chunk.offsets[index], chunk.offsets[index])
                if special:
                    call = self._special(unit, index, arguments)
                result = call(value)
                if awaits:
                    result = await self._in_time(result)
                elif generates:
                    result = await self._drained(result)
                if taking_back:
                    undo.stands()
                if taking_back and (proving or undo.changed):
                    if not proving and self._unfit(chunk, _without(index, out), results):
                        # One before this that cannot be written: it has to be settled before anything is changed.
                        undo.back()
                        stopped, called.anew = index, True
                        break
                    proving = True
                    self._prove(chunk, index, result)
            except Unavailable as error:
                if taking_back:
                    undo.back(error)
                called.outage = message_of(error) or "the handler raised Unavailable"
                stopped = index
                break
            except BaseException as error:
                if is_stopped(error):
                    raise
                if taking_back:
                    undo.back(error)
                self._breaker.succeeded(len(results) - passed)
                passed = len(results)
                called.failures.append(Failure(index, error=error, took=time.monotonic() - now))
                out.append(index)
                if ordered:
                    behind.update(chunk.after(index))
                if self._is_outage(unit, chunk.keys[index], error):
                    called.outage = _told(error)
                    stopped = index + 1
                    break
            else:
                end = result.end if generates else result
                if end.__class__ in _PARKING:
                    if taking_back:
                        undo.back()
                    called.failures.append(Failure(index, outcome=end))
                    out.append(index)
                    if ordered:
                        behind.update(chunk.after(index))
                    continue
                results.append(result)
                if generates:
                    size += result.size
                    if size > room:
                        stopped = index + 1
                        break
        unit.since = 0.0
        self._breaker.succeeded(len(results) - passed)
        called.rest = range(stopped, len(inputs))
        self._settle(called, chunk, _without(stopped, out) if out else range(stopped), results)

    def _unfit(self, chunk: Chunk, done: Sequence[int], results: list[Any]) -> bool:
        """Whether one of the results so far cannot be written."""
        return bool(results) and bool(self._emitter.emit(chunk, done, results, self._prefix).refused)

    def _is_much(self, results: Sequence[Any]) -> bool:
        """Whether what was given is more than a lane may have in hand, if all of it is like the last."""
        if len(results) < 8 or self._generates:
            return False
        return self._emitter.size_of(results[-1]) * len(results) > self._room()

    def _prove(self, chunk: Chunk, index: int, result: Any) -> None:
        """Raises what makes the result unfit to be written, while the call can still be taken back."""
        for _, error in self._emitter.emit(chunk, [index], [result], self._prefix).refused:
            raise error

    def _settle(self, called: Called, chunk: Chunk, done: Sequence[int], results: list[Any]) -> None:
        """Makes blocks of what the calls gave; a record whose output cannot be written has failed."""
        made = self._emitter.emit(chunk, done, results, self._prefix)
        self._add(called, made)
        out: set[int] = set()
        for index, error in made.refused:
            called.failures.append(Failure(index, error=error))
            out.add(index)
        for index, outcome in made.ended:
            called.failures.append(Failure(index, outcome=outcome))
            out.add(index)
        if not out:
            called.done = done
            return
        # Later records of the same key have been called; what they gave must not overtake, so they are called again.
        keys = {chunk.entries[index][KEY] for index in out} - {None}
        behind = set()
        if keys and not self._stage.unordered:
            first = {key: min(i for i in out if chunk.entries[i][KEY] == key) for key in keys}
            behind = {i for i in done if (key := chunk.entries[i][KEY]) in keys and i > first[key]}
        called.done = [i for i in done if i not in out and i not in behind]
        if behind:
            called.failures = [failure for failure in called.failures if failure.index not in behind]
            called.behind = sorted({*called.behind, *behind})
            called.appends, called.records, called.drops = [], {}, []
            kept = [(i, result) for i, result in zip(done, results, strict=True) if i not in out and i not in behind]
            self._add(called, self._emitter.emit(chunk, [i for i, _ in kept], [r for _, r in kept], self._prefix))

    def _add(self, called: Called, made: Emitted) -> None:
        called.appends.extend(made.appends)
        called.drops += made.drops
        for topic, count in made.records.items():
            called.records[topic] = called.records.get(topic, 0) + count

    async def _batch(
        self, called: Called, unit: Unit, chunk: Chunk, indices: Sequence[int], arguments: dict[str, Any], undo: Undo
    ) -> None:
        """One call for all; where it can be taken back, a failing batch is halved until the bad record is alone."""
        if any(chunk.offsets[i] in chunk.bad for i in range(len(chunk))):
            good = self._readable(called, chunk, indices)
            chunk, indices = chunk.part(good), [indices[i] for i in good]
            if not good:
                return
        inputs = self._inputs(unit, chunk, indices) if self._wants_record else [e[VALUE] for e in chunk.entries]
        call = self._special(unit, indices[0], arguments, indices)
        unit.at, unit.since = indices[0], time.monotonic()
        begun = time.monotonic()
        try:
            undo.mark(chunk.offsets[0], chunk.offsets[-1])
            result = call(inputs)
            if self._awaits:
                result = await self._in_time(result)
            elif self._generates:
                result = await self._drained(result)
            undo.stands()
            self._settle_batch(called, chunk, indices, result, undo)
        except Unavailable as error:
            undo.back(error)
            called.outage = message_of(error) or "the handler raised Unavailable"
            called.rest = sorted([*called.rest, *indices])
        except BaseException as error:
            if is_stopped(error):
                raise
            undo.back(error)
            took = time.monotonic() - begun
            if len(indices) > 1 and (not self._stage.whole or (self._stage.repeatable and isinstance(error, _Apart))):
                await self._halves(called, unit, chunk, indices, arguments, undo)
            else:
                self._failed_together(called, unit, chunk, indices, error, took)
        else:
            self._breaker.succeeded(len(indices))
        unit.since = 0.0

    def _readable(self, called: Called, chunk: Chunk, indices: Sequence[int]) -> list[int]:
        """Those that can be decoded and have no earlier record of their key among those that cannot."""
        good: list[int] = []
        failed: set[str | None] = set()
        for i, (offset, entry) in enumerate(zip(chunk.offsets, chunk.entries, strict=True)):
            if offset in chunk.bad:
                called.failures.append(Failure(indices[i], error=chunk.bad[offset]))
                failed.add(None if self._stage.unordered else entry[KEY])
            elif entry[KEY] is not None and entry[KEY] in failed:
                called.behind.append(indices[i])
            else:
                good.append(i)
        return good

    async def _halves(
        self, called: Called, unit: Unit, chunk: Chunk, indices: Sequence[int], arguments: dict[str, Any], undo: Undo
    ) -> None:
        middle = len(indices) // 2
        for part in (range(middle), range(middle, len(indices))):
            failed = {unit.chunk.entries[failure.index][KEY] for failure in called.failures} - {None}
            held = {unit.chunk.entries[i][KEY] for i in called.rest} - {None}
            ordered = not self._stage.unordered
            left = [i for i in part if not (ordered and chunk.entries[i][KEY] in failed | held)]
            if called.outage:
                called.rest = sorted([*called.rest, *(indices[i] for i in part)])
                continue
            called.behind = sorted({*called.behind, *(indices[i] for i in part if i not in left)})
            if left:
                again = chunk.fresh(left, self._reader)
                await self._batch(called, unit, again, [indices[i] for i in left], arguments, undo)

    def _failed_together(
        self, called: Called, unit: Unit, chunk: Chunk, indices: Sequence[int], error: BaseException, took: float
    ) -> None:
        batch = batch_name(chunk.offsets)
        outage = False
        for index, entry in zip(indices, chunk.entries, strict=True):
            called.failures.append(Failure(index, error=error, took=took, batch=batch))
            outage = self._is_outage(unit, entry[KEY], error) or outage
        if outage:
            called.outage = _told(error)

    def _settle_batch(self, called: Called, chunk: Chunk, indices: Sequence[int], result: Any, undo: Undo) -> None:
        if result is None:
            called.done = sorted([*called.done, *indices])
            return
        if type(result) is Yields or self._generates:
            if result.end is not None and not isinstance(result.end, Drop):
                raise BadOutput("a batch that yields cannot park as a whole; return one outcome per record instead")
            self._add(called, self._emitter.whole(chunk, result, self._prefix))
            if isinstance(result.end, Drop):
                called.drops += [(index, result.end.reason) for index in indices]
            called.done = sorted([*called.done, *indices])
            return
        if not isinstance(result, list) or len(result) != len(indices):
            what = f"a list of {len(result)}" if isinstance(result, list) else type(result).__name__
            raise BadOutput(f"a batch of {len(indices)} gave {what}; return None, or a list with one item per record")
        part = Called()
        many = not self._emitter.takes_lists
        items = [Yields(item) if many and type(item) is list else item for item in result]
        self._settle(part, chunk, range(len(indices)), items)
        if part.failures and undo.changed and (self._stage.repeatable or not part.done):
            # What this record has changed is to be taken back, and nothing else: it has to be alone.
            if self._stage.repeatable and (len(indices) > 1 or part.failures[0].error is not None):
                raise part.failures[0].error or _Apart
            undo.back()
        for failure in part.failures:
            failure.index = indices[failure.index]
        called.failures += part.failures
        called.behind = sorted([*called.behind, *(indices[i] for i in part.behind)])
        called.done = sorted([*called.done, *(indices[i] for i in part.done)])
        called.appends += part.appends
        called.drops += [(indices[index], reason) for index, reason in part.drops]
        for topic, count in part.records.items():
            called.records[topic] = called.records.get(topic, 0) + count

    def _is_outage(self, unit: Unit, key: str | None, error: BaseException) -> bool:
        """Whether a failure tells of an outage. One of a record that was parked before does not: it failed while
        others passed, and when such records come back together they fail in a row."""
        # What is dead for certain tells nothing of the outside either.
        if self.is_final(error):
            return False
        if unit.probe:
            return True
        return unit.parked is None and self._breaker.failed(key)

    def _decided(self, unit: Unit, index: int) -> bool:
        """Whether a record need not wait: somebody has decided, or it cannot be read and dies anyway."""
        if unit.chunk.offsets[index] in unit.chunk.bad:
            return True
        return unit.parked is not None and decision_of(unit.parked[index]) is not None

    def is_final(self, error: BaseException) -> bool:
        """Whether the record is dead, whatever the policy says."""
        if isinstance(error, CallFailed):
            return error.final
        return isinstance(error, (BadRecord, *self._stage.retry.reject))

    def judge(self, unit: Unit, called: Called) -> None:
        """Reports to the breaker what came of calls that were made elsewhere."""
        self._breaker.succeeded(len(called.done))
        for failure in called.failures:
            error = failure.error
            if error is not None and self._is_outage(unit, unit.chunk.keys[failure.index], error):
                called.outage = called.outage or _told(error)
        if called.outage:
            called.rest = sorted([*called.rest, *called.behind, *(failure.index for failure in called.failures)])
            called.failures, called.behind = [], []

    def _special(
        self, unit: Unit, index: int, arguments: dict[str, Any], indices: Sequence[int] = ()
    ) -> Callable[..., Any]:
        """The handler with what is new at every call."""
        more = dict(arguments)
        if self._wants_progress:
            position, key = f"{self._prefix}{unit.chunk.offsets[index]}", unit.chunk.entries[index][KEY]
            more["progress"] = lambda done, total=None: self._observe(
                Progressed(self._stage.name, position, key, done, total)
            )
        if self._reviews and unit.parked is not None:
            more["decision"] = decision_of(unit.parked[index])
        if self._wants_approved:
            parked = unit.parked
            more["approved"] = parked is not None and all(parked[i].approved for i in indices or (index,))
        return partial(self._function, **more) if more else self._function

    def _inputs(self, unit: Unit, chunk: Chunk | None = None, indices: Sequence[int] | None = None) -> list[Any]:
        chunk = chunk or unit.chunk
        indices = range(len(unit)) if indices is None else indices
        topic, partition, identity = self._stage.topic.name, self.partition, self.identity
        return [
            Record(
                key=entry[KEY],
                value=entry[VALUE],
                headers=entry[HEADERS] or {},
                time=datetime.fromisoformat(entry[TIME]).astimezone(UTC),
                position=Position(topic, partition, offset),
                origin=entry[ORIGIN],
                attempt=1 if unit.parked is None else unit.parked[index].attempts + 1,
                id=unit.ids.get(offset)
                or f"{identity}:{offset}:{unit.parked[index].nonce if unit.parked else chunk.nonce(offset)}",
            )
            for index, offset, entry in zip(indices, chunk.offsets, chunk.entries, strict=True)
        ]

    async def _drained(self, generator: Any) -> Yields:
        """What a generator yields, up to an outcome."""
        return await self._in_time(self._drain_async(generator)) if _is_async(generator) else self._drain(generator)

    def _drain(self, generator: Any) -> Yields:
        found = Yields()
        for item in generator:
            if isinstance(item, OUTCOMES):
                found.end = item
                generator.close()
                break
            self._keep(found, item)
        return found

    async def _drain_async(self, generator: Any) -> Yields:
        found = Yields()
        async for item in generator:
            if isinstance(item, OUTCOMES):
                found.end = item
                await generator.aclose()
                break
            self._keep(found, item)
        return found

    def _keep(self, found: Yields, item: Any) -> None:
        kept = self._emitter.kept(item)
        found.append(kept)
        if type(kept) is Kept:
            found.size += len(memoryview(kept.raw)) + 200

    async def _in_time(self, call: Any) -> Any:
        seconds = self._stage.timeout
        if seconds is None:
            return await call
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                return await call
        except TimeoutError as error:
            if deadline.expired():
                raise TimedOut(self._stage.name, seconds) from error
            raise


def unkeepable(unit: Unit, error: Unkeepable) -> Called:
    """What comes of a unit whose changes break a constraint at the commit: who did it only tells when each is alone."""
    called = Called()
    if len(unit) == 1:
        called.failures = [Failure(0, error=error)]
    else:
        called.rest, called.alone, called.anew = range(len(unit)), len(unit), True
    return called


def _without(count: int, out: Sequence[int]) -> list[int]:
    """The indices up to `count`, without the few ascending ones that are out."""
    found = list(range(count))
    for index in reversed(out):
        del found[index]
    return found


def batch_name(offsets: Sequence[int]) -> str | None:
    """Names records that failed as one and are to be tried together again; one alone needs none."""
    return f"{offsets[0]}-{offsets[-1]}" if len(offsets) > 1 else None


def run_through(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("a plain def handler was awaited")


def _is_async(result: Any) -> bool:
    return hasattr(result, "__anext__")


def _told(error: BaseException) -> str:
    return f"many records in a row failed, the last with {kind_of(error)}: {message_of(error)}"
