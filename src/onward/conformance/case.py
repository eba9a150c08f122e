"""The plumbing of the suites: one store under test, and what the tests say about it again and again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, ClassVar

from onward import codec
from onward.clock import HandClock
from onward.log import (
    Append,
    AppSpec,
    Block,
    Books,
    Claim,
    Commit,
    Lease,
    Log,
    Parked,
    SourceSpec,
    StageSpec,
    State,
    Survey,
    TopicSpec,
    Totals,
)

PATIENCE = 30.0
"""Seconds of true time after which a test that hangs has failed."""

LEASE = 10.0
IN, OUT = "app.in", "app.out"
WORK, OTHER = "app.work", "app.other"
FEED = "app.feed"


class Suite:
    """What an implementation says about itself; see `onward.conformance.log`."""

    durable: ClassVar[bool] = False
    """Whether a store can be opened by more than one handle, and again when all are closed."""

    async def open(self, clock: HandClock) -> tuple[Log, Books]:
        """Handles on a new, empty store."""
        raise NotImplementedError

    async def reopen(self, clock: HandClock) -> tuple[Log, Books]:
        """Further handles on the store that was opened last, as another process would have them."""
        raise NotImplementedError


def scenario(test: Callable[[Any, Case], Awaitable[None]]) -> Callable[[Suite], None]:
    """Makes a plain test of a coroutine that takes a case: on an event loop of its own, with a fresh store."""

    async def bounded(suite: Suite) -> None:
        async with asyncio.timeout(PATIENCE), opened(suite) as case:
            await test(suite, case)

    def run(suite: Suite) -> None:
        asyncio.run(bounded(suite))

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # or pytest takes the case for a fixture
    return run


@contextlib.asynccontextmanager
async def opened(suite: Suite) -> AsyncIterator[Case]:
    """A case on a fresh store; all its handles are closed at the end."""
    clock = HandClock()
    case = Case(suite, clock, *await suite.open(clock))
    try:
        yield case
    finally:
        for close in reversed(case.closing):
            await close()


@contextlib.contextmanager
def raises(kind: type[BaseException]) -> Iterator[None]:
    """Expects an error of this class."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def app_spec(
    *,
    partitions: int = 2,
    topics: Sequence[TopicSpec] | None = None,
    sources: Sequence[SourceSpec] | None = None,
    stages: Sequence[StageSpec] | None = None,
) -> AppSpec:
    """The app that most tests declare: two topics, a source into the first, a stage between them."""
    return AppSpec(
        "app",
        tuple(topics if topics is not None else (TopicSpec(IN, partitions, 60.0), TopicSpec(OUT, partitions, 60.0))),
        tuple(sources if sources is not None else (SourceSpec(FEED, (IN,)),)),
        tuple(stages if stages is not None else (StageSpec(WORK, IN, (OUT,)),)),
    )


def append(*values: Any, topic: str = IN, partition: int = 0, key: str | None = "k") -> Append:
    """A block of these values."""
    rows = [(None, key, "2025-06-15T15:06:40.000000Z", None, value) for value in values]
    return Append(topic, partition, len(rows), codec.encode(rows), codec.key_summary([key]))


def parked(offset: int, key: str | None = "k", state: State = "retrying", **more: Any) -> Parked:
    """A parked row with a copy."""
    entry = codec.encode((None, key, "2025-06-15T15:06:40.000000Z", None, offset))
    given: dict[str, Any] = {"due": 0.0, "attempts": 1, "since": 0.0, "entry": entry, "nonce": "0a0b0c0d", **more}
    return Parked(offset=offset, key=key, state=state, **given)


class Case:
    """One store under test: a log, its books, and a clock that stands still."""

    def __init__(self, suite: Suite, clock: HandClock, log: Log, books: Books) -> None:
        self.suite = suite
        self.clock = clock
        self.log = log
        self.books = books
        self.closing: list[Callable[[], Awaitable[None]]] = [log.close, books.close]

    async def another(self) -> tuple[Log, Books]:
        """Further handles on the same store; skips the test where the log has none."""
        if not self.suite.durable:
            raise unittest.SkipTest("the log is not durable")
        log, books = await self.suite.reopen(self.clock)
        self.closing += [log.close, books.close]
        return log, books

    async def put(self, *values: Any, topic: str = IN, partition: int = 0) -> None:
        """Appends a block, as somebody who puts records."""
        await self.log.commit(Commit(appends=[append(*values, topic=topic, partition=partition)]))

    async def claim(self, stage: str = WORK, partition: int = 0, worker: str = "w1") -> Claim:
        """Takes a lease that is to be had."""
        claim = await self.log.claim(stage, partition, worker, LEASE)
        assert claim is not None, f"{worker} could not take {stage} partition {partition}"
        return claim

    async def again(self, stage: str = WORK, partition: int = 0) -> Claim:
        """What the next holder finds: takes the lease by a worker of its own after the time of the last one."""
        self.clock.advance(LEASE + 1)
        return await self.claim(stage, partition, f"w{self.clock.now()}")

    async def read(self, topic: str = IN, partition: int = 0, offset: int = 0) -> list[Block]:
        """All blocks from an offset on, in as many calls as it takes."""
        found: list[Block] = []
        while blocks := await self.log.read(topic, partition, offset, 1_000, 1_000_000):
            found += blocks
            offset = blocks[-1].offset + blocks[-1].count
        return found

    async def values(self, topic: str = IN, partition: int = 0) -> list[Any]:
        """All values of a partition that are kept, in order."""
        anything = codec.Codec(Any)
        blocks = await self.read(topic, partition)
        return [entry[codec.VALUE] for block in blocks for entry in anything.decode(block.entries)]

    async def survey(self) -> Survey:
        return await self.books.survey()

    async def everything(self) -> object:
        """All that can be seen of the store, to show that something changed nothing."""
        _, evidence, blocks = await self.books.evidence()
        return await self.books.survey(), evidence, blocks, await self.books.parked(None, None, None, None)


def finishing(lease: Lease, first: int, end: int, **more: Any) -> Commit:
    """A commit that finishes a span from the gapless prefix on."""
    given: dict[str, Any] = {"next": end, "totals": Totals(done=end), **more}
    return Commit(lease=lease, finished=[(first, end)], **given)
