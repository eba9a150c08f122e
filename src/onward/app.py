"""An app: topics, sources, stages, resources and settings under one name. Declaring opens and reads nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar, cast

from onward import check
from onward.database import Database
from onward.dedupe import Window
from onward.errors import DeclarationError, Fault, SettingError
from onward.handler import place
from onward.kinds import wrong_kinds
from onward.lifecycle import Lifecycle
from onward.rate import Rate
from onward.resource import Resource
from onward.retry import Retry
from onward.review import Review
from onward.source import Source
from onward.stage import Stage
from onward.table import Table
from onward.task import Task
from onward.topic import KeyOf, Topic

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DEFAULT_RETRY = Retry()

_NONE = type(None)
_TOPIC_KINDS: dict[str, tuple[Any, ...]] = {"key": (str, callable, _NONE), "partitions": (int,)}
_TABLE_KINDS: dict[str, tuple[Any, ...]] = {
    "key": (str, callable), "lifecycle": (Lifecycle, _NONE), "index": (list, str),
}  # fmt: skip
_REVIEW_KINDS: dict[str, tuple[Any, ...]] = {
    "topic": (Topic,), "to": (Topic, list), "retry": (Retry,), "choices": (list, str),
}  # fmt: skip
_STAGE_KINDS: dict[str, tuple[Any, ...]] = {
    "topic": (Topic,), "to": (Topic, list), "retry": (Retry,), "batch": (int, _NONE), "parallel": (int,),
    "limit": (int, _NONE), "within": (Database, _NONE), "parked_most": (int,), "dedupe": (Window, _NONE),
    "idempotency": (str, callable, _NONE), "upgrade": (callable, _NONE),
}  # fmt: skip


class App:
    """What a program declares.

    Decorators return the function that they were given, unchanged. What is wrong with a declaration is found by
    `check()`, all of it at once, which every command calls.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.where = _caller()
        self.reference = f"{self.where.rpartition(':')[0]}:{name}"
        self.topics: dict[str, Topic[Any]] = {}
        self.sources: dict[str, Source] = {}
        self.stages: dict[str, Stage] = {}
        self.resources: dict[str, Resource] = {}
        self.tables: dict[str, Table[Any]] = {}
        self.tasks: dict[str, Task] = {}
        self.rates: dict[str, Rate] = {}
        self.settings_class: type | None = None
        self.demo_function: Callable[..., Any] | None = None
        self.own_command: Any = None
        self._settings = _Settings(name)
        self._faults: list[Fault] = []
        self._named(name, self.where)

    def __repr__(self) -> str:
        return f"App({self.name!r})"

    def topic(
        self,
        name: str,
        type: type[T] | Any = Any,
        *,
        key: str | KeyOf | None = None,
        partitions: int = 1,
        keep: str | timedelta | None = None,
        max_record: str | int = "1MB",
        bound: str | int | None = None,
        was: str | None = None,
    ) -> Topic[T]:
        """A topic of values of `type` (any JSON value, or bytes, without it).

        Args:
            key: a field's name, or a function of the value; records of one key stay in order.
            partitions: how many sequences it has; fixed once made.
            keep: how long records stay after the last stage has passed them; 7 days unless set.
            max_record: the most bytes of one record.
            bound: so many records, or bytes as in "10MB", may be outstanding; then sources and stages before it stop.
            was: the name that the topic had before.
        """
        where = _caller()
        full = self._full(name, where)
        made: Topic[T]
        if self._wrong(where, f"topic {full}", {"key": key, "partitions": partitions}, _TOPIC_KINDS):
            return Topic(full, type, key=None, where=where)
        try:
            options: dict[str, Any] = {"partitions": partitions, "keep": keep}
            options |= {"max_record": max_record, "bound": bound}
            made = Topic(full, type, key=key, was=was and f"{self.name}.{was}", where=where, **options)
        except ValueError as error:
            self._faults.append(Fault(where, f"topic {full}: {error}"))
            made = Topic(full, type, key=key, where=where)
        if partitions < 1:
            self._faults.append(Fault(where, f"topic {full}: partitions={partitions}; there is at least one"))
        self._add(self.topics, full, made, where)
        return made

    def table(
        self,
        name: str,
        type: type[T] | Any = Any,
        *,
        key: str | KeyOf,
        lifecycle: Lifecycle | None = None,
        index: Sequence[str] = (),
        was: str | None = None,
    ) -> Table[T]:
        """A table of documents of `type` (any JSON value without it), which stages and clients keep.

        What a stage changes is committed with the records that it was called for. Every change stays in the history.

        Args:
            key: a field's name, or a function of the value; never None.
            lifecycle: the states that a document may have, and which may follow which.
            index: the fields by which documents can be found and ordered.
            was: the name that the table had before.
        """
        where = _caller()
        full = self._full(name, where)
        before = was and f"{self.name}.{was}"
        options = {"key": key, "lifecycle": lifecycle, "index": index}
        if self._wrong(where, f"table {full}", options, _TABLE_KINDS):
            return Table(full, type, key="", lifecycle=None, index=(), was=None, where=where)
        made: Table[T] = Table(full, type, key=key, lifecycle=lifecycle, index=index, was=before, where=where)
        self._add(self.tables, full, made, where)
        return made

    def source(
        self,
        *,
        to: Topic[Any] | Sequence[Topic[Any]],
        every: str | timedelta | tuple[str | timedelta, str | timedelta] | None = None,
        cron: str | None = None,
        zone: str | None = None,
        saved: Callable[..., Any] | None = None,
        stall: str | timedelta | None = None,
        at_least_once: bool = False,
        name: str | None = None,
        was: str | None = None,
    ) -> Callable[[F], F]:
        """A function `f(cursor, ...)` that yields values and `Checkpoint(cursor)`s.

        Without `every=` or `cron=` it is continuous: called again when it returns. Exactly once into its topics: what
        lies between two checkpoints and the cursor are one commit. On an error what followed the last checkpoint is
        discarded and it is called again, later; on return it is kept.

        Args:
            every: from start to start; of two durations each pause is drawn between both, inclusive. It runs when a
                worker starts, never overlaps itself, and runs that were missed become one.
            cron: five fields. It does not run when a worker starts, unless a run was missed since the last one.
            zone: the time zone of `cron=`; UTC unless said.
            saved: called with each cursor after its commit, in order; what it raises is told and harms nothing.
            stall: a source that yields nothing for so long loses its lease.
            at_least_once: what lies between two checkpoints may be larger than a quarter of the byte budget; it is
                then committed in parts, which come again if the source fails before the checkpoint.
            was: the name that the source had before.
        """

        wrong = self._wrong(_caller(), "@app.source(to=TOPIC, ...)", {"to": to}, {"to": (Topic, list)})

        def declare(function: F) -> F:
            full = self._full(name or function.__name__, place(function))
            if wrong:
                return function
            made = Source(
                full,
                function,
                to=_listed(to),
                every=every,
                cron=cron,
                zone=zone,
                saved=saved,
                stall=stall,
                at_least_once=at_least_once,
                was=was and f"{self.name}.{was}",
            )
            self._add(self.sources, full, made, made.where)
            return function

        return declare

    def stage(
        self,
        topic: Topic[Any],
        *,
        to: Topic[Any] | Sequence[Topic[Any]] = (),
        retry: Retry = _DEFAULT_RETRY,
        batch: int | None = None,
        fill: str | timedelta | None = None,
        parallel: int = 1,
        limit: int | None = None,
        rate: str | Rate | None = None,
        timeout: str | timedelta | None = None,
        isolate: bool = False,
        within: Database | None = None,
        effect: bool | None = None,
        split: bool | None = None,
        unordered: bool = False,
        long: bool = False,
        on_dead: Literal["hold", "pass"] = "hold",
        parked_most: int = 100_000,
        slows: bool = True,
        dedupe: Window | None = None,
        idempotency: str | KeyOf | None = None,
        start: Literal["first", "now"] | None = None,
        upgrade: Callable[[Any], Any] | None = None,
        name: str | None = None,
        was: str | None = None,
    ) -> Callable[[F], F]:
        """A function of the records of `topic`; see the reference for what it takes and gives.

        Exactly once where it emits only or commits `within` a database; at least once where it acts outside
        (`effect`, implied by having neither `to=` nor `within=`), with the same `Record.id` at every attempt.
        In order per key; records of different keys do not wait for each other.

        Args:
            to: where what it returns or yields goes.
            retry: how often a failed record is tried, and when.
            batch: the handler gets lists of 1..batch records of one partition; not waited for.
            fill: how long a batch is waited for after all.
            parallel: calls at once per worker process, never two for one key.
            limit: calls at once over all workers.
            rate: the most records per second, minute or hour, over all workers; or a budget made by `rate()`.
            timeout: the most time of one call.
            isolate: calls are made in processes of their own, which can be killed.
            within: a database whose transaction the handler shares.
            split: whether a batch that failed is halved until the bad record is alone; where it acts outside it cannot.
            unordered: keys do not matter here.
            long: a call may last for hours; each is noted in the store before it begins, as `running`.
            on_dead: whether later records of a dead record's key wait for a person ("hold") or go on ("pass").
            parked_most: the most parked records; at that bound it stops reading.
            slows: whether sources before it go slowly while it has tripped.
            dedupe: by what repeats are told, which are dropped, and for how long.
            idempotency: a field, or a function of the value, that `Record.id` is made of instead of the position.
            start: where a stage that is new begins on a topic that already has records.
            upgrade: makes a value of the topic's type from one that an older version of the program has written and
                that cannot be read as it: a function of the old value as plain JSON (a dict), which gives the new one,
                or a dict that can be read as one.
            was: the name that the stage had before.
        """

        options = {"topic": topic, "to": to, "retry": retry, "batch": batch, "parallel": parallel, "limit": limit}
        options |= {"within": within, "parked_most": parked_most, "dedupe": dedupe, "idempotency": idempotency}
        options |= {"upgrade": upgrade}
        wrong = self._wrong(_caller(), "@app.stage(TOPIC, ...)", options, _STAGE_KINDS)

        def declare(function: F) -> F:
            full = self._full(name or function.__name__, place(function))
            if wrong:
                return function
            made = Stage(
                full,
                function,
                topic,
                to=_listed(to),
                retry=retry,
                batch=batch,
                fill=fill,
                parallel=parallel,
                limit=limit,
                rate=rate,
                timeout=timeout,
                isolate=isolate,
                within=within,
                effect=effect,
                split=split,
                unordered=unordered,
                long=long,
                on_dead=on_dead,
                parked_most=parked_most,
                slows=slows,
                dedupe=dedupe,
                idempotency=idempotency,
                start=start,
                upgrade=upgrade,
                was=was and f"{self.name}.{was}",
            )
            self._add(self.stages, full, made, made.where)
            return function

        return declare

    def review(
        self,
        topic: Topic[Any],
        *,
        to: Topic[Any] | Sequence[Topic[Any]] = (),
        choices: Sequence[str],
        newest: bool = False,
        retry: Retry = _DEFAULT_RETRY,
        timeout: str | timedelta | None = None,
        effect: bool | None = None,
        parked_most: int = 100_000,
        start: Literal["first", "now"] | None = None,
        name: str | None = None,
        was: str | None = None,
    ) -> Callable[[F], F]:
        """A stage whose worker is a person: each record waits until somebody decides; then `f(value, decision)` is
        called, which takes and gives what a handler does. `decision` has `choice, note, by, at`.

        Args:
            choices: what may be decided.
            newest: of a key only the newest record waits, older ones are dropped; else the older one comes first.
            parked_most: the most that waits; at that bound it stops reading.
        """

        options = {"topic": topic, "to": to, "retry": retry, "choices": choices}
        wrong = self._wrong(_caller(), "@app.review(TOPIC, ...)", options, _REVIEW_KINDS)

        def declare(function: F) -> F:
            full = name or getattr(function, "__name__", "")
            if wrong:
                return function
            self.stage(
                topic, to=to, retry=retry, timeout=timeout, effect=effect, unordered=newest, parked_most=parked_most,
                start=start, name=name, was=was,
            )(function)  # fmt: skip
            if (made := self.stages.get(f"{self.name}.{full}")) is not None:
                made.review = Review(tuple(choices), newest)
            return function

        return declare

    def task(self, function: F | None = None, *, name: str | None = None) -> Any:
        """A function run on demand, as `@app.task` or `@app.task(name=...)`; see `onward task` and `Client.run`.

        Its parameters are arguments by their annotations, but for resources, the settings, `progress`, and one
        annotated `Client`, which gets a client of the store. Each run is recorded: who, when, arguments (secrets
        masked), outcome, return value as JSON, log lines.
        """

        def declare(function: F) -> F:
            full = self._full(name or function.__name__, place(function))
            made = Task(full, function)
            self._add(self.tasks, full, made, made.where)
            return function

        return declare if function is None else declare(function)

    def rate(self, name: str, rate: str) -> Rate:
        """A budget of calls, as `"120/m"`, that its name shares over all workers of the store.

        A handler says `await rate()` before each call, a plain `def` `rate()`; a stage may take it as its `rate=`, too.
        """
        where = _caller()
        full = self._full(name, where)
        try:
            made = Rate(full, rate, where)
        except ValueError as error:
            self._faults.append(Fault(where, f"rate {full}: {error}"))
            made = Rate(full, "1/s", where)
        self._add(self.rates, full, made, where)
        return made

    def resource(self, function: F) -> F:
        """A function that yields what it opens: once per process, at first need, closed in order at the end."""
        made = Resource(function.__name__, function)
        self._add(self.resources, made.name, made, made.where)
        return function

    def settings(self, class_: type[T]) -> T:
        """Declares the app's settings class, a msgspec Struct or a dataclass.

        What is returned behaves as an instance of it once the app is being run, and not before; handlers and
        resources rather take a parameter annotated with the class.
        """
        if self.settings_class is not None:
            self._faults.append(Fault(_caller(), f"app {self.name} declares its settings twice"))
        self.settings_class = class_
        return cast(T, self._settings)

    def demo(self, function: F) -> F:
        """A function `f(folder: Path)` that makes the app's sandbox there and returns settings for `onward demo`."""
        self.demo_function = function
        return function

    def command(self, command: F) -> F:
        """A command of the app's own name, `onward NAME ...`: a function with typed parameters, as Typer takes it, or
        a whole `typer.Typer`. Settings and signals are for `onward.service.Service` to look after.
        """
        self.own_command = command
        return command

    def configure(self, settings: Any) -> None:
        """Fills what `settings()` returned; done by whoever runs the app."""
        self._settings._fill(settings)

    def check(self) -> None:
        """Looks for all faults of the declaration.

        Raises:
            DeclarationError: there are some; it names each with its file and line.
        """
        faults = [*self._faults, *check.faults(self)]
        if faults:
            raise DeclarationError(self.name, sorted(set(faults), key=_by_place))

    def _full(self, name: str, where: str) -> str:
        self._named(name, where)
        return f"{self.name}.{name}"

    def _named(self, name: str, where: str) -> None:
        if not _NAME.fullmatch(name):
            self._faults.append(
                Fault(where, f"{name!r} is no name; it begins with a-z and has a-z, 0-9, _ and -, 63 at most")
            )

    def _wrong(self, where: str, who: str, options: dict[str, Any], kinds: dict[str, tuple[Any, ...]]) -> bool:
        """Whether options are of a kind that they may not be; each is noted as a fault."""
        found = wrong_kinds(options, kinds)
        self._faults += [Fault(where, f"{who}: {what}") for what in found]
        return bool(found)

    def _add(self, into: dict[str, Any], full: str, made: Any, where: str) -> None:
        if (before := into.get(full)) is not None:
            self._faults.append(Fault(where, f"{full} is already declared at {before.where}"))
        into[full] = made

    def __iter__(self) -> Iterator[Source | Stage]:
        yield from self.sources.values()
        yield from self.stages.values()


def topics_of(app: App) -> dict[str, Topic[Any]]:
    """The topics that an app declares, and those of other apps that its parts name, by name."""
    named = [stage.topic for stage in app.stages.values()] + [topic for part in app for topic in part.to]
    return {topic.name: topic for topic in [*named, *app.topics.values()]}


class _Settings:
    """Stands for the settings until they are known."""

    def __init__(self, app: str) -> None:
        object.__setattr__(self, "_app", app)
        object.__setattr__(self, "_filled", None)

    def _fill(self, settings: Any) -> None:
        object.__setattr__(self, "_filled", settings)

    def __getattr__(self, name: str) -> Any:
        if self._filled is None:
            raise SettingError(f"the settings of app {self._app} are not known before it runs; ask for {name} later")
        return getattr(self._filled, name)


def _listed(to: Topic[Any] | Sequence[Topic[Any]]) -> tuple[Topic[Any], ...]:
    return (to,) if isinstance(to, Topic) else tuple(to)


def _by_place(fault: Fault) -> tuple[str, int, str]:
    file, _, line = fault.where.rpartition(":")
    return file, int(line) if line.isdigit() else 0, fault.what


def _caller() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
