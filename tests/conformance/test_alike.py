"""Logs of nothing in common give the same answers, whatever is asked of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from onward.clock import HandClock
from onward.commit import STATES
from onward.conformance.case import append, parked
from onward.errors import OnwardError
from onward.log import (
    AppSpec,
    Attempt,
    Block,
    Books,
    Claim,
    Commit,
    Lease,
    Log,
    Request,
    SourceSpec,
    SourceState,
    Span,
    StageSpec,
    TopicSpec,
    Totals,
)
from onward.logs.memory import MemoryLog
from onward.logs.memory_books import MemoryBooks
from onward.logs.memory_store import MemoryStore
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.span import merged, spans_of

WORKERS = st.sampled_from(["w1", "w2", "w3"])
OFFSETS = st.integers(0, 12)
PARTITIONS = st.integers(0, 1)
KEYS = st.sampled_from(["a", "it's", None])
Where = tuple[str, int]


def plain(answer: Any, names: dict[str, int]) -> Any:
    """An answer without what chance decides: nonces go, incarnations become numbers in order of appearance."""
    if isinstance(answer, Block):
        return answer._replace(nonce="")
    if isinstance(answer, Claim):
        number = names.setdefault(answer.incarnation, len(names)) if answer.incarnation else -1
        return (
            answer.lease,
            answer.next,
            merged(answer.ahead),
            answer.totals,
            list(answer.parked),
            number,
            answer.source,
        )
    if isinstance(answer, dict):
        return {key: plain(value, names) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [plain(value, names) for value in answer]
    return answer


class Alike(RuleBasedStateMachine):
    """The same random calls on the log in memory and on the one in a SQLite file."""

    def empty(self) -> None:
        """Sees to it that there is no store yet."""
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name) / 'store.db'}"

    def clean(self) -> None:
        self.folder.cleanup()

    def durable(self) -> tuple[Log, Books]:
        """Handles on the store that is not in memory."""
        return SQLiteLog(self.url, clock=self.clock), SQLiteBooks(self.url, clock=self.clock)

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.empty()
        self.store = MemoryStore()
        self.clock = HandClock()
        self.names: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self.topics, self.stages, self.source = ["app.t0", "app.t1"], {"app.s0": 0}, "app.feed"
        self.made = 0
        self.leases: list[Lease] = [Lease("app.s0", 0, "w1", 0)]  # which nobody was ever given
        self.done: dict[Where, set[int]] = {}
        self.firsts: dict[Where, list[int]] = {}
        self.nexts: dict[Where, int] = {}
        self.asked: list[int] = []
        self.runner.run(self.open())
        self.declare(None)

    async def open(self) -> None:
        log, books = self.durable()
        self.logs = MemoryLog(self.store, clock=self.clock), log
        self.books = MemoryBooks(self.store, clock=self.clock), books

    async def close(self) -> None:
        for handle in (*self.logs, *self.books):
            await handle.close()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.close())
            self.runner.close()
            self.clean()

    def same(self, handles: tuple[Any, Any], call: Callable[[Any], Awaitable[Any]]) -> Any:
        """What both answer, or the class of the error that both raise."""

        async def answer(handle: Any) -> Any:
            try:
                return await call(handle)
            except OnwardError as error:
                return type(error)

        async def both() -> tuple[Any, Any]:
            return await answer(handles[0]), await answer(handles[1])

        one, other = self.runner.run(both())
        assert plain(one, self.names[0]) == plain(other, self.names[1])
        return one

    # declaring

    def declare(self, was: tuple[str, str] | None, start: Any = None) -> Any:
        """Declares what there is; `was` is a new name and the old one."""

        def old(name: str) -> str | None:
            return was[1] if was is not None and was[0] == name else None

        app = AppSpec(
            "app",
            tuple(TopicSpec(name, 2, 60.0, old(name)) for name in self.topics),
            (SourceSpec(self.source, (self.topics[0],), old(self.source)),),
            tuple(StageSpec(name, self.topics[at], (), start, old(name)) for name, at in self.stages.items()),
        )
        return self.same(self.logs, lambda log: log.declare(app))

    def new_name(self) -> str:
        self.made += 1
        return f"app.n{self.made}"

    @rule(at=PARTITIONS)
    def rename_a_topic(self, at: int) -> None:
        was, self.topics[at] = self.topics[at], self.new_name()
        self.declare((self.topics[at], was))

    @rule(data=st.data())
    def rename_a_stage(self, data: st.DataObject) -> None:
        was = data.draw(st.sampled_from(sorted(self.stages)))
        name = self.new_name()
        self.stages[name] = self.stages.pop(was)
        for kept in (self.done, self.firsts, self.nexts):
            for partition in range(2):
                if (was, partition) in kept:
                    kept[name, partition] = kept.pop((was, partition))  # type: ignore[index]
        self.declare((name, was))

    @rule()
    def rename_the_source(self) -> None:
        was, self.source = self.source, self.new_name()
        self.declare((self.source, was))

    @precondition(lambda self: len(self.stages) < 3)
    @rule(at=PARTITIONS, start=st.sampled_from([None, "first", "now"]))
    def add_a_stage(self, at: int, start: Any) -> None:
        name = self.new_name()
        self.stages[name] = at
        if self.declare(None, start) is not None:
            del self.stages[name]

    @precondition(lambda self: len(self.stages) > 1)
    @rule(data=st.data())
    def remove_a_stage(self, data: st.DataObject) -> None:
        del self.stages[data.draw(st.sampled_from(sorted(self.stages)))]
        self.declare(None)

    @rule()
    def move_a_stage(self) -> None:
        name, at = next(iter(self.stages.items()))
        self.stages[name] = 1 - at
        assert self.declare(None, "first") is not None
        self.stages[name] = at

    # leases

    @rule(partition=PARTITIONS, worker=WORKERS, feed=st.booleans(), data=st.data())
    def claim(self, partition: int, worker: str, feed: bool, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from([self.source] if feed else [*sorted(self.stages), self.source]))
        claim = self.same(self.logs, lambda log: log.claim(stage, partition, worker, 10.0))
        if claim is not None:
            self.leases.append(claim.lease)

    @rule(data=st.data(), seconds=st.sampled_from([10.0, 0]), state=st.sampled_from(["running", "it's away"]))
    def renew(self, data: st.DataObject, seconds: float, state: str) -> None:
        leases = dict.fromkeys(data.draw(st.lists(st.sampled_from(self.leases), max_size=3)), state)
        self.same(self.logs, lambda log: log.renew(leases, seconds))

    @rule(seconds=st.sampled_from([0.25, 5.0, 10.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(worker=WORKERS)
    def meet(self, worker: str) -> None:
        self.same(self.logs, lambda log: log.meet(worker, sorted(self.stages)))

    # commits

    @rule(at=PARTITIONS, partition=st.integers(0, 2), count=st.integers(1, 3))
    def put(self, at: int, partition: int, count: int) -> None:
        sent = append(*range(count), topic=self.topics[at], partition=partition)
        self.same(self.logs, lambda log: log.commit(Commit(appends=[sent])))

    @rule(
        data=st.data(),
        finished=st.sets(OFFSETS, max_size=4),
        next_=st.none() | OFFSETS,
        done=st.none() | st.integers(0, 9),
        park=st.lists(st.tuples(OFFSETS, KEYS, st.sampled_from(STATES)), max_size=3, unique_by=lambda row: row[0]),
        unpark=st.sets(OFFSETS, max_size=3),
        promote=st.sets(OFFSETS, max_size=3),
        attempts=st.lists(OFFSETS, max_size=2),
        unit=st.none() | st.sampled_from(["0", "1", "0#1"]),
        again=st.sampled_from([False, False, False, True]),
        appends=st.lists(st.tuples(PARTITIONS, PARTITIONS), max_size=2),
        source=st.none() | st.integers(0, 3),
    )
    def commit(
        self,
        data: st.DataObject,
        finished: set[int],
        next_: int | None,
        done: int | None,
        park: list[tuple[int, str | None, Any]],
        unpark: set[int],
        promote: set[int],
        attempts: list[int],
        unit: str | None,
        again: bool,
        appends: list[tuple[int, int]],
        source: int | None,
    ) -> None:
        lease = data.draw(st.sampled_from(self.leases[-6:]))
        spans = self.spans(lease, finished, again)
        now = self.clock.now()
        if next_ is not None:  # it is the end of a prefix, which only grows
            next_ = self.nexts[lease.stage, lease.partition] = max(
                next_, self.nexts.get((lease.stage, lease.partition), 0)
            )
        commit = Commit(
            lease=lease,
            appends=[append("x", "y", topic=self.topics[at], partition=partition) for at, partition in appends],
            finished=spans,
            next=next_,
            totals=None if done is None else Totals(done, done // 2, {self.topics[1]: done}),
            park=[parked(offset, key, state, due=now, since=now) for offset, key, state in park],
            unpark=sorted(unpark),
            promote=[(offset, now + 1) for offset in sorted(promote)],
            attempts=[Attempt(offset, 1, now, 0.5, "ValueError", "no", "") for offset in attempts],
            source=None if source is None else SourceState(b"%d" % source, {self.topics[0]: source}, now, None, "idle"),
            answered=[(id_, "done") for id_ in self.asked[-1:]] if unit is None else (),
            unit=unit,
        )
        if self.same(self.logs, lambda log: log.commit(commit)) is None and spans:
            where = lease.stage, lease.partition
            self.firsts.setdefault(where, []).append(spans[0][0])
            self.done.setdefault(where, set()).update(offset for first, end in spans for offset in range(first, end))

    def spans(self, lease: Lease, finished: set[int], again: bool) -> list[Span]:
        """Offsets that were not finished yet; or, to be refused, the first one of an earlier commit."""
        where = lease.stage, lease.partition
        if again and self.firsts.get(where):
            return spans_of([self.firsts[where][0]])
        return spans_of(sorted(finished - self.done.get(where, set())))

    @rule(at=PARTITIONS, offsets=st.dictionaries(PARTITIONS, OFFSETS), age=st.sampled_from([0.0, 5.0]))
    def retain(self, at: int, offsets: dict[int, int], age: float) -> None:
        self.same(self.logs, lambda log: log.retain(self.topics[at], self.clock.now() - age, offsets))

    @rule(at=PARTITIONS, offsets=st.dictionaries(PARTITIONS, OFFSETS), most=st.integers(1, 3), gone=st.booleans())
    def retain_some(self, at: int, offsets: dict[int, int], most: int, gone: bool) -> None:
        before = self.clock.now() + 1
        overrun = sorted(self.stages) if gone else ()
        self.same(self.logs, lambda log: log.retain(self.topics[at], before, offsets, most, overrun))

    @rule(partition=PARTITIONS, age=st.sampled_from([-1.0, 5.0]), most=st.integers(1, 50), outputs=st.booleans())
    def fold(self, partition: int, age: float, most: int, outputs: bool) -> None:
        to = self.topics if outputs else ()
        for stage in sorted(self.stages):
            self.same(self.logs, lambda log, stage=stage: log.fold(stage, partition, to, self.clock.now() - age, most))
        # What was folded is not known by its first offset any more; it is not finished twice by those who ask.
        self.firsts.clear()

    @rule(age=st.sampled_from([0.0, 5.0, 100.0]))
    def passed(self, age: float) -> None:
        instants = dict.fromkeys(self.stages, self.clock.now() - age)
        self.same(self.books, lambda books: books.passed(instants))

    @rule(partition=PARTITIONS, action=st.sampled_from(["retry", "drop"]), data=st.data())
    def ask(self, partition: int, action: Any, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from(sorted(self.stages)))
        request = Request(0, stage, partition, action, {"key": "it's"}, "me", self.clock.now())
        self.asked += self.same(self.books, lambda books: books.ask([request]))

    # looking

    @rule(partition=st.integers(0, 2), offset=OFFSETS, records=st.integers(1, 8), size=st.sampled_from([1, 200, 9_999]))
    def read(self, partition: int, offset: int, records: int, size: int) -> None:
        for topic in (*self.topics, "app.unknown"):
            self.same(self.logs, lambda log, topic=topic: log.read(topic, partition, offset, records, size))

    @rule(partition=PARTITIONS, offsets=st.lists(OFFSETS, unique=True))
    def copies(self, partition: int, offsets: list[int]) -> None:
        for stage in self.stages:
            self.same(self.logs, lambda log, stage=stage: log.copies(stage, partition, offsets))

    @rule(key=KEYS, state=st.none() | st.sampled_from(STATES), limit=st.none() | st.integers(0, 3), named=st.booleans())
    def look_at_parked(self, key: str | None, state: str | None, limit: int | None, named: bool) -> None:
        stage = next(iter(self.stages)) if named else None
        self.same(self.books, lambda books: books.parked(stage, key, state, limit))

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.close())
        self.runner.run(self.open())

    @invariant()
    def both_hold_the_same(self) -> None:
        if not hasattr(self, "runner"):
            return
        self.same(self.books, lambda books: books.survey(30.0))
        self.same(self.books, lambda books: books.evidence())
        self.same(self.books, lambda books: books.answers(self.asked))
        self.same(self.logs, lambda log: log.news([*self.topics, "app.unknown"], sorted(self.stages)))


TestAlike = Alike.TestCase
TestAlike.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class AlikeOnPostgres(Alike):
    """The same on the log in memory and on the one on PostgreSQL."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def empty(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS onward CASCADE")

    def clean(self) -> None:
        pass

    def durable(self) -> tuple[Log, Books]:
        return PostgresLog(self.url, clock=self.clock), PostgresBooks(self.url, clock=self.clock)


def test_alike_on_postgres(postgres: str) -> None:
    # As it is found: making a failure shorter takes many minutes with a server.
    few = settings(max_examples=10, stateful_step_count=30, deadline=None, phases=[Phase.generate])
    run_state_machine_as_test(lambda: AlikeOnPostgres(postgres), settings=few)  # type: ignore[no-untyped-call]
