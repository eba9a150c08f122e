"""The ground that scenarios stand on: a store file, workers on it, and what can be asked of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import apsw
import msgspec

from onward import App, Topic
from onward.clock import Clock, HandClock
from onward.codec import Codec
from onward.declaration import spec_of
from onward.emit import Emitter
from onward.events import Event
from onward.log import Attempt, Commit, Log, Parked, Request
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan, Report
from onward.status import status
from onward.units import instant_text
from onward.worker import Worker
from recount import recount

NOW = 1_750_000_000.0
BOUND = 20.0
"""Seconds after which a fact that is waited for will not come."""


class LeapClock(HandClock):
    """Stands still while there is work, and leaps to the next retry when all the work waits for it."""

    def idle(self, until: float) -> None:
        self.advance(max(0.0, until - self.now()))


class Seen(list[Event]):
    """An observer that keeps what it sees."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]


class Ground:
    """One store in a folder, and a clock that goes on from run to run."""

    Log: ClassVar[Any] = SQLiteLog
    Books: ClassVar[Any] = SQLiteBooks

    def __init__(self, folder: Path, name: str = "store.db") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / name
        self.url = f"sqlite:///{self.path}"
        self.clock: Any = LeapClock(NOW)
        self.own_clock = False
        """Whether stores go by this clock too, and not by the machine's."""
        self.seen = Seen()

    @property
    def stores(self) -> dict[str, Any]:
        """How the handles on the store are opened."""
        return {"clock": self.clock} if self.own_clock else {}

    # given

    def put(self, app: App, topic: Topic[Any], *values: Any) -> None:
        """Puts values, in one block for each partition; an `Outgoing` keeps its own key."""

        async def work() -> None:
            log = self.Log(self.url, **self.stores)
            try:
                await log.declare(spec_of(app))
                await append(log, topic, values)
            finally:
                await log.close()

        asyncio.run(work())

    def put_raw(self, app: App, topic: Topic[Any], key: str | None, json: bytes) -> None:
        """Puts a value as it would have been stored by a program of another version."""

        async def work() -> None:
            log = self.Log(self.url)
            try:
                await log.declare(spec_of(app))
                raw = msgspec.json.encode((None, key, instant_text(NOW), None, msgspec.Raw(json)))
                await log.commit(Commit(appends=Emitter([topic], {}).pack([(topic, key, raw)])))
            finally:
                await log.close()

        asyncio.run(work())

    # when

    @contextlib.asynccontextmanager
    async def open(
        self, *apps: App, plan: Plan | None = None, clock: Clock | None = None, **more: Any
    ) -> AsyncIterator[Worker]:
        """A worker that does not run yet, on handles of its own."""
        log = self.Log(self.url, listen=True, **self.stores)
        books = self.Books(self.url, **self.stores)
        more.setdefault("chance", lambda: 0.5)
        try:
            yield Worker(apps, log, books, plan or Plan(), clock=clock or self.clock, observers=[self.seen], **more)
        finally:
            await books.close()
            await log.close()

    @contextlib.asynccontextmanager
    async def running(self, *apps: App, **more: Any) -> AsyncIterator[Worker]:
        """A worker at work; it is stopped gracefully at the end."""
        async with self.open(*apps, **more) as worker:
            await worker.declare()
            task = asyncio.create_task(worker.run())
            try:
                yield worker
            finally:
                worker.stop()
                await asyncio.wait_for(task, BOUND)

    def run(self, *apps: App, **plan: Any) -> Report:
        """Runs once, until nothing is left to do."""

        async def work() -> Report:
            resources = plan.pop("resources", None)
            chance = plan.pop("chance", lambda: 0.5)
            more = {"resources": resources, "chance": chance, "settings": plan.pop("settings", None)}
            async with self.open(*apps, plan=Plan(once=True, **plan), **more) as worker:
                return await asyncio.wait_for(worker.run(), 4 * BOUND)

        return asyncio.run(work())

    def ask(self, stage: str, action: Any, partition: int = 0, **match: object) -> list[int]:
        """Writes a request as the command line does."""
        return list(self.books(lambda books: books.ask([request(stage, action, partition, **match)])))

    # then

    def books(self, look: Callable[[Any], Any]) -> Any:
        async def work() -> Any:
            books = self.Books(self.url, **self.stores)
            try:
                return await look(books)
            finally:
                await books.close()

        return asyncio.run(work())

    def recount(self, *, empty: bool = False) -> None:
        self.books(lambda books: recount(books, empty=empty))

    def parked(self, stage: str | None = None) -> list[Parked]:
        return [row for _, _, row, _ in self.books(lambda books: books.parked(stage, None, None, None))]

    def attempts(self, stage: str | None = None) -> dict[int, list[Attempt]]:
        found = self.books(lambda books: books.parked(stage, None, None, None))
        return {row.offset: list(attempts) for _, _, row, attempts in found}

    def sql(self, statement: str, **bound: Any) -> list[tuple[Any, ...]]:
        return sql(self.path, statement, **bound)

    def columns(self) -> list[tuple[str, str]]:
        """Every column of the store, with its table."""
        tables = [name for (name,) in self.sql("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return [(table, row[1]) for table in tables for row in self.sql(f"PRAGMA table_info({table})")]

    def values(self, topic: Topic[Any]) -> list[Any]:
        return [value for _, value in self.records(topic)]

    def records(self, topic: Topic[Any]) -> list[tuple[str | None, Any]]:
        """Keys and values, partition by partition in offset order."""
        found = self.sql(
            'SELECT CAST(entries AS BLOB) FROM block WHERE topic = :topic ORDER BY partition, "offset"',
            topic=topic.name,
        )
        codec = Codec(topic.type)
        return [(key, value) for (entries,) in found for _, key, _, _, value in codec.decode(entries)]

    def by_key(self, topic: Topic[Any]) -> dict[str | None, list[Any]]:
        found: dict[str | None, list[Any]] = {}
        for key, value in self.records(topic):
            found.setdefault(key, []).append(value)
        return found

    def states(self, stage: str | None = None) -> dict[str, int]:
        """How many records are parked in which state."""
        return dict(
            self.sql(
                "SELECT state, count(*) FROM parked WHERE :stage IS NULL OR stage = :stage GROUP BY state", stage=stage
            )
        )


async def append(log: Log, topic: Topic[Any], values: Sequence[Any]) -> None:
    emitter = Emitter([topic], {topic.name: Codec(topic.type)})
    records = [emitter.encoded(value, instant_text(NOW)) for value in values]
    await log.commit(Commit(appends=emitter.pack(records)))


async def shown(worker: Worker, name: str) -> str:
    """What `status` says of a stage or source."""
    survey = await worker.books.survey()
    apps = status("", survey, survey.apps).apps
    return next(
        one.state for app in apps for one in (*app.stages, *app.sources) if name in (one.name, f"{app.app}.{one.name}")
    )


def request(stage: str, action: Any, partition: int = 0, **match: object) -> Request:
    return Request(0, stage, partition, action, match, "tester", NOW)


def sql(path: Path, statement: str, **bound: Any) -> list[tuple[Any, ...]]:
    """Runs one statement on a database file that nobody else may have open in another library."""
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(5_000)
        return connection.execute(statement, bound).fetchall()
    finally:
        connection.close()


async def until_shown(worker: Worker, name: str, what: str, seconds: float = BOUND) -> str:
    """Waits until `status` says this of a stage or source; gives all that it says."""
    end = time.monotonic() + seconds
    while what not in (said := await shown(worker, name)):
        assert time.monotonic() < end, f"it says {said!r}"
        await asyncio.sleep(0.02)
    return said


async def until(fact: Callable[[], Any], seconds: float = BOUND) -> None:
    """Waits for a fact, bounded."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)


def environment() -> Mapping[str, str]:
    """What a child process needs to import the same program and these tests."""
    import onward

    places = [str(Path(onward.__file__).parents[1]), str(Path(__file__).parents[1])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*places, *filter(None, sys.path[:1])])}
