"""Running an app in a test: in memory, without servers, at the speed of the machine.

with TestRun(app, resources={"agent": fake}) as run:
    run.put(found, Inspection("a", 1))
    run.until_idle()
    assert run.values(issued) == [Credential("a", {"number": 1})]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

from msgspec import UNSET, Struct, UnsetType

from onward import settings as settings_
from onward import units
from onward.app import App, topics_of
from onward.client import Client
from onward.client_table import ClientTable
from onward.clock import HandClock
from onward.codec import HEADERS, KEY, ORIGIN, TIME, VALUE, Codec
from onward.decide import decide, reviews_of, waiting
from onward.declaration import spec_of
from onward.dryrun import dry_run
from onward.emit import Emitter
from onward.errors import OnwardError, RecordDied, Refused, Unavailable
from onward.events import Event, Failed, SourceFailed, Tripped, Withheld
from onward.log import Commit, State
from onward.logs.memory import MemoryLog
from onward.loop import LoopThread
from onward.plan import Plan
from onward.record import Position, Record
from onward.resource import Resources
from onward.source import Source
from onward.stage import Stage
from onward.table import Table
from onward.task import task_of
from onward.task_run import run_task
from onward.topic import Topic
from onward.window import chunk_of
from onward.worker import Worker
from onward.would import DryRun

__all__ = ["TestRun", "ParkedRecord", "TestClock"]  # noqa: RUF022

T = TypeVar("T")

MOST_STEPS = 10_000
MOST_PROBES = 20
DAY = 86_400.0


class TestClock(HandClock):
    """Given by `TestRun.clock`: stands still until it is advanced, or until all the work waits for a retry. `now()`
    tells its time, in seconds since 1970."""

    __test__ = False

    def __init__(self, call: Callable[[Callable[[], None]], None], *, start: float = HandClock().now()) -> None:
        super().__init__(start)
        self._call = call
        self.steps = 0
        self.endless: Callable[[], None] = lambda: None

    def idle(self, until: float) -> None:
        """For Onward itself: all the work waits, until then."""
        self.steps += 1
        if self.steps >= MOST_STEPS:
            self.endless()
        HandClock.advance(self, max(0.0, until - self.now()))

    def advance(self, by: str | float | timedelta) -> None:  # type: ignore[override]
        """Moves on by a duration, as in `by="1h"`; nothing is worked on by it, until `until_idle`."""
        self._call(lambda: HandClock.advance(self, units.duration(by)))


class ParkedRecord(Struct, frozen=True):
    """A record set aside, as a test looks at it.

    `position` and `key` are the record's, `value` is what the stage would be given (edited, perhaps); `state` is
    `retrying`, `dead`, `waiting`, `running` or `behind`; `attempts` are those that count; `error` is type and message
    of the last exception, empty without; `reason` what an outcome said.
    """

    position: Position
    key: str | None
    value: Any
    state: State
    attempts: int
    error: str
    reason: str


class TestRun:
    """An app on a log in memory, with a clock of its own, which stands still.

    Stages work when `until_idle` says so, sources when they are polled; everything else is as in a real run. Calls are
    made in this process, also by `isolate=`. Nothing comes from `onward.toml` or the environment. It is a context
    manager.
    """

    __test__ = False

    def __init__(
        self, app: App, *, settings: Any = None, resources: Mapping[str, Any] | None = None, chance: float = 0.5
    ) -> None:
        """
        Args:
            app: checked first, as by every command.
            settings: an instance of the app's settings class, or a dict of values for its fields; its defaults
                unless given.
            resources: what takes the place of the app's resources, by name.
            chance: what every draw of chance gives (the jitter of retries), 0 to 1.
        """
        app.check()
        self._app = app
        self._settings = _settings(app, settings)
        app.configure(self._settings)
        self._resources = dict(resources or {})
        self._chance = chance
        self._loop = LoopThread("onward-test")
        self.clock = TestClock(lambda work: self._wait(_call(work)))
        self._log = MemoryLog(clock=self.clock)
        self._seen: list[Event] = []
        self._wait(self._log.declare(spec_of(app)))
        self._topics = topics_of(app)
        self._codecs = {name: Codec(topic.type) for name, topic in self._topics.items()}

    def put(
        self,
        topic: Topic[T],
        *values: T,
        key: Any = UNSET,
        headers: dict[str, str] | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
    ) -> None:
        """Puts values into a topic, as `onward put` does; it wakes nobody.

        Args:
            topic: of the app.
            values: of its type.
            key: of all of them, instead of the topic's `key=`; None: without.
            headers: texts by name.
            time: a datetime (without zone: UTC) or ISO 8601; the clock's unless said.

        Raises:
            BadRecord, BadOutput: a value does not fit the topic.
        """
        emitter = Emitter([topic], self._codecs)
        now = units.instant_text(self.clock.now())
        records = [emitter.encoded(topic.record(value, key, headers, time), now) for value in values]
        self._wait(self._log.commit(Commit(appends=emitter.pack(records))))

    def poll(self, source: Any) -> None:
        """Calls a source (its function or name) as a run does; a continuous one until it brings nothing.

        Raises:
            Exception: the source's own, when it fails; what it closed by a Checkpoint before is kept.
        """
        found = _find(self._app.sources, source, "source")
        plan = Plan(stages=(found.name,), once=True, patience=0.0, retention=False, bounded=False, isolate=False)
        self._work(plan)
        for event in self._seen:
            if isinstance(event, SourceFailed):
                raise event.error

    def task(self, task: Any, /, **arguments: Any) -> Any:
        """Runs a `task` (its function or name) with these `arguments`; gives what it returns, or raises its error. Text
        is converted as on the command line."""
        found = task_of(self._app, task)
        given = found.arguments(found.parameters(self._app), arguments)
        client = self._client(awaited=found.handler.is_async)

        async def work() -> Any:
            resources = Resources(self._app.resources, self._settings, self._resources)
            try:
                _, result = await run_task(
                    self._log, found, given, resources=resources, client=client, by="test", clock=self.clock
                )
                return result
            finally:
                await resources.close()

        return self._wait(work())

    def table(self, table: Table[Any] | str) -> ClientTable:
        """A `table`, itself or by its name, as a client has it, to be filled and looked at."""
        return self._client(awaited=False).table(table)

    def until_idle(self, *, raises: bool = True) -> None:
        """Works until nothing is left to do, moving the clock over retries.

        Raises:
            Exception: the handler's own, when a record dies (`RecordDied` where it died without one); with
                `raises=False` the record stays parked instead.
            Unavailable: a stage stayed tripped for 20 probes.
            OnwardError: something is tried for ever.
        """
        if not self._app.stages:
            return
        stages = tuple(self._app.stages)
        self._work(Plan(stages=stages, once=True, patience=float("inf"), retention=False, isolate=False))
        for event in self._seen:
            if raises and isinstance(event, Failed) and event.state == "dead":
                raise event.error or RecordDied(event.stage, event.position, event.key, event.reason)

    def dry_run(self, *, limit: int | None = None) -> tuple[DryRun, list[Withheld]]:
        """What calling all sources and working through a day of retries would do, and the effects that it would have;
        nothing changes, the clock neither. Stages with effects outside are called only where they take `dry_run`.

        Args:
            limit: so many records at most per source and per stage.
        """
        seen: list[Withheld] = []

        def see(event: Event) -> None:
            if isinstance(event, Withheld):
                seen.append(event)

        async def work() -> DryRun:
            clock = TestClock(lambda work: work(), start=self.clock.now())

            def started(worker: Worker) -> None:
                clock.endless = worker.stop

            return await dry_run(
                [self._app],
                self._log,
                self._log.url,
                Plan(patience=DAY, limit=limit),
                {self._app.name: self._settings},
                resources=self._resources,
                observers=[see],
                clock=clock,
                chance=lambda: self._chance,
                started=started,
            )

        return self._wait(work()), seen

    def values(self, topic: Topic[T]) -> list[T]:
        """All values of a `topic`, partition by partition in the order of their offsets."""
        return [record.value for record in self.records(topic)]

    def records(self, topic: Topic[T]) -> list[Record[T]]:
        """All records of a `topic`, in the same order."""
        return self._wait(self._records(topic))

    def decide(self, review: Any, choice: str, key: str | None = None, note: str = "", by: str = "test") -> int:
        """Decides on what waits; gives on how many. `until_idle` then calls the review's function.

        Args:
            review: its function or name.
            choice: one of its choices.
            key: of which key; all that waits without it.
            note: what is remembered with the decision.
            by: who decides.
        """
        found = _find(self._app.stages, review, "review")
        reviews = reviews_of([spec_of(self._app)])

        async def work() -> int:
            wanted = [one async for one in waiting(self._log, reviews, stage=found.name) if key in (None, one.row.key)]
            return len(await decide(self._log, reviews, wanted, choice, note, by, self.clock.now()))

        return self._wait(work())

    def parked(self, stage: Any) -> list[ParkedRecord]:
        """What a `stage` (its function or name) has set aside, by partition and offset."""
        found = _find(self._app.stages, stage, "stage")
        reader = self._codecs[found.topic.name].upgraded(found.upgrade)
        return [
            ParkedRecord(
                Position(found.topic.name, partition, row.offset),
                row.key,
                reader.decode_one(row.entry)[VALUE],
                row.state,
                row.attempts,
                row.error,
                row.reason,
            )
            for _, partition, row, _ in self._wait(self._log.parked(found.name, None, None, None))
        ]

    def close(self) -> None:
        """Ends the run. Not closing it costs no more than a sleeping thread."""
        self._loop.close()

    def __enter__(self) -> TestRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self, plan: Plan) -> None:
        self._seen.clear()
        probes: Counter[str] = Counter()

        async def work() -> None:
            def see(event: Event) -> None:
                self._seen.append(event)
                if isinstance(event, Tripped):
                    probes[event.stage] += 1
                    if probes[event.stage] > MOST_PROBES:
                        worker.stop()

            self.clock.steps = 0
            self.clock.endless = lambda: worker.stop()
            worker = Worker(
                [self._app],
                self._log,
                self._log,
                plan,
                settings={self._app.name: self._settings},
                resources=self._resources,
                observers=[see],
                clock=self.clock,
                chance=lambda: self._chance,
            )
            report = await worker.run()
            if report.troubles:
                raise OnwardError("; ".join(report.troubles))
            if self.clock.steps >= MOST_STEPS:
                raise OnwardError(f"still not idle after {MOST_STEPS:,} retries; something is tried for ever")
            for event in self._seen:
                if isinstance(event, Tripped) and probes[event.stage] > MOST_PROBES:
                    raise Unavailable(f"{event.stage} stays tripped: {event.reason}")

        self._wait(work())

    def _client(self, *, awaited: bool) -> Client:
        return Client.over(self._app, self._log, self._loop, awaited=awaited, by="test", clock=self.clock)

    async def _records(self, topic: Topic[T]) -> list[Record[T]]:
        found: list[Record[T]] = []
        ends = (await self._log.news([topic.name], [])).ends
        for partition in range(topic.partitions):
            offset = 0
            while offset < ends.get((topic.name, partition), 0):
                blocks = await self._log.read(topic.name, partition, offset, 1_000, 1_000_000)
                chunk = chunk_of(blocks, offset, (), self._codecs[topic.name])
                offset = blocks[-1].offset + blocks[-1].count
                for at, entry in zip(chunk.offsets, chunk.entries, strict=True):
                    found.append(
                        Record(
                            key=entry[KEY],
                            value=entry[VALUE],
                            headers=entry[HEADERS] or {},
                            time=datetime.fromisoformat(entry[TIME]).astimezone(UTC),
                            position=Position(topic.name, partition, at),
                            origin=entry[ORIGIN],
                            attempt=1,
                            id=f"{topic.name}:{partition}:{at}:{chunk.nonce(at)}",
                        )
                    )
        return found

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.wait(work)


async def _call(work: Callable[[], None]) -> None:
    work()


def _settings(app: App, given: Any) -> Any:
    class_ = app.settings_class
    if class_ is None or isinstance(given, class_):
        return given
    named = {name: str(value) for name, value in (given or {}).items()}
    return settings_.resolve(app.name, class_, environment={}, given=named)[0]


def _find(parts: Mapping[str, Any], wanted: Any, what: str) -> Source | Stage | Any:
    for name, part in parts.items():
        if wanted in (name, name.partition(".")[2]) or part.handler.function is wanted:
            return part
    raise Refused(f"no {what} {wanted!r}; there is {', '.join(parts) or 'none'}")
