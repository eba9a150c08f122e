"""An app: topics, sources, stages, resources and settings under one name. Declaring opens and reads nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar, cast

from msgspec import Struct

from onward import check, kinds
from onward.database import Database
from onward.dedupe import Window
from onward.errors import DeclarationError, Fault, SettingError
from onward.handler import place
from onward.kinds import Kind
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


class App:
    """What a program declares: topics, sources, stages, reviews, tables, tasks, resources and settings under one name.

    Declaring opens and reads nothing. The full name of what is declared is `APP.NAME`, NAME being its `name=` or the
    function's name; both match `[a-z][a-z0-9_-]{0,62}`. Decorators return the function that they were given, unchanged,
    so that it can be called in a unit test. What is wrong with a declaration is found by `check()`, all of it at once,
    which every command and `TestRun` call.

    Args:
        name: of the app; not that of a command.
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
        self.hidden: list[Any] = []
        """What was declared under a name that something else has by now."""
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
        """A topic: a named, typed, partitioned, append-only sequence of records.

        Args:
            name: without the app's.
            type: a struct, a tagged union of structs, a dataclass, `dict`, `list`, `str`, `int`, `bytes`, ...; without
                it any JSON value, and bytes as they are.
            key: a field's name, or a function of the value. Records of one key are in one partition and stay in order;
                without it a record takes its input's key, and one that has none no order.
            partitions: how many sequences; fixed once made. A program that says another number than the store has is
                refused; `onward repartition` changes it.
            keep: how long after the last stage has passed, 7 days unless set; where no stage reads the topic, how long
                after they were written. What a declared stage has yet to see never goes.
            max_record: the most bytes of one record as it is stored; a larger one is refused, naming its key.
            bound: how much may be outstanding: records (`1000`, or `"1000"`), or bytes (`"10MB"`, of the blocks that
                hold the outstanding records). There sources and stages that write to it stop, in all processes, until a
                quarter less is outstanding.
            was: the name that it had before, without the app's; it keeps records, counts and progress.
        """
        where = _caller()
        full = self._full(name, where)
        made: Topic[T]
        if self._wrong(where, f"topic {full}", {"key": key, "partitions": partitions, "was": was}, kinds.TOPIC):
            return Topic(full, type, key=None, where=where)
        try:
            options: dict[str, Any] = {"partitions": partitions, "keep": keep}
            options |= {"max_record": max_record, "bound": bound}
            made = Topic(full, type, key=key, was=was and f"{self.name}.{was}", where=where, **options)
        except (ValueError, TypeError) as error:
            self._faults.append(Fault(where, f"topic {full}: {error}"))
            made = Topic(full, type, key=key, where=where)
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
        """A table of documents, which stages and clients keep.

        What a stage changes is committed with the records that it was called for: once in effect. Every change stays in
        the history.

        Args:
            name: without the app's.
            type: as of a topic; any JSON value without it. Fields with defaults may be added at any time.
            key: a field's name, or a function of the value; becomes text like a record's key, and is never None.
            lifecycle: the states that a document may have, and which may follow which.
            index: the fields by which documents can be found and ordered; may be changed at any time, the store then
                makes the index anew.
            was: the name that it had before, without the app's; it keeps documents and history.
        """
        where = _caller()
        full = self._full(name, where)
        before = was and f"{self.name}.{was}"
        options = {"type": type, "key": key, "lifecycle": lifecycle, "index": index, "was": was}
        if self._wrong(where, f"table {full}", options, kinds.TABLE):
            return Table(full, Any, key="", where=where)
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
        """A function `f(cursor, ...)` that yields values, outgoing records and `Checkpoint(cursor)`s: a generator,
        plain or async, or a function that returns an iterable.

        The first parameter is the cursor saved last, None before the first; its annotation says how it is read back.
        Further ones are settings and resources, `once` and `dry_run`.

        Delivery: exactly once into its topics, as what lies between two Checkpoints and the cursor are one commit.
        Checkpoints are joined into commits of up to 1,000 records or 100 ms. On an error what followed the last
        Checkpoint is discarded, and it is called again after 0.5 to 1 s, doubling up to 5 min; on return it is kept.
        Between two Checkpoints it may yield a quarter of `--memory`; beyond that it fails and says so.

        Without `every=` or `cron=` it is continuous: called again after 1 s, growing to 15 s while it brings nothing.

        Args:
            to: one topic, or several.
            every: called so often, counted from start to start. Of two durations, as in `("15s", "30s")`, each pause is
                drawn anew between both, inclusive. It never overlaps itself, runs when a worker starts, and runs that
                were missed become one.
            cron: called at the times of a cron expression: minute, hour, day of month, month, day of the week, or a
                name as `@daily`. If both days are said, either will do, as cron has it. It does not run when a worker
                starts, except once if a run was missed since the last one, or was cut off.
            zone: the time zone of `cron`, as in `"Europe/Berlin"`; UTC unless said. Where clocks go back, a local time
                that comes twice counts the first time only; where they go forward, times that are skipped come together
                at the first instant after.
            saved: a function, plain or async, called with each cursor after its commit, in order; it may take settings
                and resources besides. What it raises is logged and harms nothing. At most once: a crash between commit
                and call leaves the call out. The source waits while it runs.
            stall: a source that yields nothing for so long has failed, and loses its lease: another worker that wants
                it takes it at once, this one after the delay of a failure. What the hung call yields later is not kept.
                An async one is cancelled; a plain one goes on in its thread until it yields, with whatever it has open.
            at_least_once: more may lie between two Checkpoints than a quarter of `--memory`: it is then committed in
                parts that leave the cursor where it is, and comes again if the source fails before the next Checkpoint.
            name: its name, unless the function's.
            was: the name that it had before. A program that still has the old name is refused, and its workers bring
                nothing more.
        """

        options: dict[str, Any] = {"to": to, "every": every, "cron": cron, "zone": zone, "saved": saved}
        options |= {"stall": stall, "at_least_once": at_least_once, "was": was}
        usable = self._usable(_caller(), "@app.source(to=TOPIC, ...)", {"to": to}, kinds.SOURCE)

        def declare(function: F) -> F:
            if not usable or not self._is_function(function, "source", name):
                return function
            full = self._full(name or function.__name__, place(function))
            self._put_right(place(function), f"source {full}", options, kinds.SOURCE, App.source)
            made = Source(full, function, **self._own(options))
            self._add(self.sources, full, made, made.where)
            return function

        return declare

    def stage(
        self,
        topic: Topic[Any],
        *,
        to: Topic[Any] | Sequence[Topic[Any]] = (),
        retry: Retry = Retry(),
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
        """A function of the records of `topic`: a handler, plain or async.

        It takes the value or, annotated so, `Record[T]`; with `batch=` a list of either; then settings, resources,
        `tx`, `progress`, `approved`, `once` and `dry_run` as it names them. It returns one value, None, a record or an
        outcome, or yields many. docs/reference/program.md says more of both.

        Delivery: exactly once where it only emits, or commits `within` a database. At least once where it acts outside,
        with the same `Record.id` at every attempt: a crash repeats at most what was in hand.

        Order: per key, which has one record in hand; a record that fails parks, and later ones of its key queue behind
        it. Records of different keys do not wait for each other, and records without a key have no order.

        Args:
            topic: whose records it is given.
            to: the topics that it may emit to.
            retry: how often a failed record is tried, and after how long.
            batch: the handler gets a list of 1..batch records of one partition, ascending; it is not waited for until
                there are so many, unless by `fill`.
            fill: how long a batch that is not full is waited for, from its first record on, as `"1s"`; what is tried
                again is not waited for.
            parallel: calls at once per worker process, over all its partitions; never two for one key unless
                `unordered`.
            limit: calls at once over all workers of the store. Workers that want more share it evenly, what is over
                goes round by the second; what a worker that ends had is free at once, that of a dead process of this
                machine, too, of another machine after 10 s. A worker cut off from the store begins no call after 8 s;
                one that was under way then may still be.
            rate: the most records per second, minute or hour over all workers of the store, as `"100/s"`, or a budget
                made by `app.rate`. Every call counts, those of retries too; a batch counts each of its records.
            timeout: the most time of one call. An `async def` is cancelled. A plain `def` cannot be stopped: its
                attempt is recorded as failed and the process is replaced, unless by `isolate`.
            isolate: True: calls are made in processes of their own, which can be killed. It excludes `within`.
            within: a `Database` whose transaction the handler shares; the handler is a plain `def` and can have `tx`.
                It excludes `timeout` and `effect=True`.
            effect: whether it acts outside. Implied by having neither `to=` nor `within=`; a stage that emits and also
                acts outside says True.
            split: False: a batch that failed is not halved until the bad record is alone, but tried again as it is.
                Where a stage acts outside it never is halved.
            unordered: keys do not matter here: nothing queues, and records of one key may be at work at once.
            long: True: a call may last for hours; each is noted in the store before it begins, as `running`. It
                excludes `batch` and `within`.
            on_dead: `"hold"`: later records of a dead record's key queue behind it; `"pass"`: they go on.
            parked_most: the most parked records; each partition has an even share of it, at least 1. At that bound a
                partition stops reading, and `status` says so; nothing is dropped.
            slows: False: sources before it do not slow down while it has tripped. What it has yet to do waits in its
                topic, which grows, unless by `bound`: for what is told beside the work, as a notification.
            dedupe: a `Window`: records that came before are dropped.
            idempotency: a field's name, or a function of the value: `Record.id` is made of the stage's name and that,
                instead of the position. A value that gives none is dead at once.
            start: where a stage that is new begins on a topic that already has records: `"first"` or `"now"`. There it
                must be said; later it does not matter.
            upgrade: a function from a value of an older version of the program, as plain JSON (a dict), to the new one:
                a value of the topic's type, or a dict that can be read as one. It is called for what cannot be read as
                the topic's type; where it fails the record is dead.
            name: its name, unless the function's.
            was: the name that it had before; it keeps progress and parked records. A known stage cannot read another
                topic.
        """

        options: dict[str, Any] = {"to": to, "retry": retry, "batch": batch, "fill": fill, "parallel": parallel}
        options |= {"limit": limit, "rate": rate, "timeout": timeout, "isolate": isolate, "within": within}
        options |= {"effect": effect, "split": split, "unordered": unordered, "long": long, "on_dead": on_dead}
        options |= {"parked_most": parked_most, "slows": slows, "dedupe": dedupe, "idempotency": idempotency}
        options |= {"start": start, "upgrade": upgrade, "was": was}
        usable = self._usable(_caller(), "@app.stage(TOPIC, ...)", {"topic": topic, "to": to}, kinds.STAGE)

        def declare(function: F) -> F:
            if not usable or not self._is_function(function, "stage", name):
                return function
            full = self._full(name or function.__name__, place(function))
            self._put_right(place(function), f"stage {full}", options, kinds.STAGE, App.stage)
            made = Stage(full, function, topic, **self._own(options))
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
        retry: Retry = Retry(),
        timeout: str | timedelta | None = None,
        effect: bool | None = None,
        parked_most: int = 100_000,
        start: Literal["first", "now"] | None = None,
        name: str | None = None,
        was: str | None = None,
    ) -> Callable[[F], F]:
        """A stage whose worker is a person: each record waits (`waiting`) until somebody decides, by `onward review
        decide` or in a test by `TestRun.decide`; then `f(value, decision)` is called, which takes and gives what a
        handler does.

        What was decided is committed before the call, and stands over retries; of two who decide the first counts. What
        the function gives is emitted in the same commit with which the record is done. Returning `Hold` waits for
        another decision.

        Args:
            topic: whose records wait.
            to: the topics that it may emit to.
            choices: what may be decided, at least one text.
            newest: of a key only the newest record waits; older ones that wait are dropped, and counted so. Else the
                oldest waits, and later ones queue behind it.
            retry: as of a stage: of the call after the decision.
            timeout: as of a stage.
            effect: as of a stage.
            parked_most: the most records that wait; at that bound it stops reading.
            start: as of a stage.
            name: its name, unless the function's.
            was: the name that it had before.
        """

        options = {"topic": topic, "to": to, "choices": choices, "newest": newest}
        usable = self._usable(_caller(), "@app.review(TOPIC, ...)", options, kinds.REVIEW)

        def declare(function: F) -> F:
            if not usable:
                return function
            self.stage(
                topic, to=to, retry=retry, timeout=timeout, effect=effect, unordered=newest, parked_most=parked_most,
                start=start, name=name, was=was,
            )(function)  # fmt: skip
            made = self.stages.get(f"{self.name}.{name or getattr(function, '__name__', '')}")
            if made is not None:
                made.review = Review(tuple(choices), newest)
            return function

        return declare

    def task(self, function: F | None = None, *, name: str | None = None) -> Any:
        """A function that is run on demand, plain or async: by `onward task`, `Client.run` or `TestRun.task`.

        Its parameters are arguments by their annotations, required unless they have a default; but for resources, the
        settings, `progress` (`progress(done, total=None)`), and one annotated `Client`, which gets a client of the
        store. Text is converted, and a wrong or missing argument refused before anything runs.

        Each run is recorded from its beginning on: who, when, arguments (secrets masked), outcome (`running`, `done`,
        `failed`, `stopped`; `lost` where its process died), error with traceback, return value as JSON (up to 256 KB),
        the last 64,000 characters of its log lines. Of each task the newest 1,000 runs stay. At most once: what was cut
        short is not run again by itself.

        Args:
            function: under a bare `@app.task`.
            name: its name, unless the function's.
        """

        def declare(function: F) -> F:
            if not self._is_function(function, "task", name):
                return function
            full = self._full(name or function.__name__, place(function))
            made = Task(full, function)
            self._add(self.tasks, full, made, made.where)
            return function

        return declare if function is None else declare(function)

    def rate(self, name: str, rate: str) -> Rate:
        """A budget of calls that its name shares over all workers of the store.

        A handler says `await rate()` before each call, a plain `def` `rate()`; it returns when the call may be made,
        first come, first served. A stage may take it as its `rate=`, too: then its records and those calls share it.
        In a stretch of time there are at most as many calls as the rate gives in it, and those of the portions (a fifth
        of a second each) that begin up to a second before. Nothing is saved up.

        Args:
            name: without the app's.
            rate: one number and `/s`, `/m` or `/h`, as `"120/m"`.
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
        """A `function`, plain or async, that yields what it opens, or returns what has nothing to close.

        It is opened once per process, at first need, shared by all calls (also from several threads), and closed at the
        end, in the opposite order. It may take settings and other resources. If it cannot open, its stages trip and try
        again; `status` says why. Handlers, sources and tasks get it by a parameter of the function's name. `onward
        doctor` opens it, and where it has a method `doctor()`, plain or async, shows the line that this gives, or the
        `OnwardError` that it raises.
        """
        if not self._is_function(function, "resource"):
            return function
        made = Resource(function.__name__, function)
        self._add(self.resources, made.name, made, made.where)
        return function

    def settings(self, class_: type[T]) -> T:
        """Declares the app's settings; once per app.

        Each field takes the last of: its default; `[apps.NAME]` in `onward.toml`; the environment (`NAME_FIELD`, or
        `env` in the field's metadata); `--set FIELD=VALUE`. A text `env:NAME` or `file:PATH` names where the true value
        is.

        What is returned behaves as an instance once the app is being run, and not before; handlers and resources rather
        take a parameter annotated with the class.

        Args:
            class_: a msgspec Struct or a dataclass.
        """
        if not (isinstance(class_, type) and (issubclass(class_, Struct) or is_dataclass(class_))):
            what = f"app.settings({class_!r}); it is a settings class, a msgspec Struct or a dataclass"
            self._faults.append(Fault(_caller(), what))
            return cast(T, self._settings)
        if self.settings_class is not None:
            self._faults.append(Fault(_caller(), f"app {self.name} declares its settings twice"))
        self.settings_class = class_
        return cast(T, self._settings)

    def demo(self, function: F) -> F:
        """A `function`, `f(folder: Path)`, that makes sample data in the folder, the same when called again, and
        returns settings, a dict, for `onward demo`."""
        self.demo_function = function
        return function

    def command(self, command: F) -> F:
        """A `command` of the app's own name, `onward NAME ...` or `onward path/to/file.py ...`: a function with typed
        parameters, as Typer takes it, or a whole `typer.Typer`. It looks after settings and signals itself;
        `onward.service.Service` helps.
        """
        self.own_command = command
        return command

    def configure(self, settings: Any) -> None:
        """For Onward itself, which fills what `settings()` returned when it runs the app."""
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
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            self._faults.append(
                Fault(where, f"{name!r} is no name; it begins with a-z and has a-z, 0-9, _ and -, 63 at most")
            )

    def _wrong(self, where: str, who: str, options: Mapping[str, Any], may_be: Mapping[str, Kind]) -> dict[str, str]:
        """The options that are not what they may be; each is noted as a fault."""
        found = kinds.wrong(options, may_be)
        self._faults += [Fault(where, f"{who}: {what}") for what in found.values()]
        return found

    def _usable(self, where: str, who: str, options: Mapping[str, Any], may_be: Mapping[str, Kind]) -> bool:
        """Whether a decorator has those options without which nothing can be declared."""
        return not self._wrong(where, who, options, may_be | kinds.TOPICS)

    def _put_right(
        self, where: str, who: str, options: dict[str, Any], may_be: Mapping[str, Kind], declared: Callable[..., Any]
    ) -> None:
        """Options that are wrong stand as if they had not been given: so what else is wrong is told, too."""
        for option in self._wrong(where, who, options, may_be):
            # Some batch: else its handler would be told that it takes a list.
            options[option] = 1 if option == "batch" else declared.__kwdefaults__[option]  # type: ignore[attr-defined]

    def _own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """As what is declared takes them."""
        was = options["was"]
        return {**options, "to": _listed(options["to"]), "was": was and f"{self.name}.{was}"}

    def _is_function(self, function: Any, what: str, name: str | None = None) -> bool:
        if callable(function) and (name is not None or hasattr(function, "__name__")):
            return True
        self._faults.append(Fault(_caller(), f"{what} {function!r} is no function, or has no name; say name="))
        return False

    def _add(self, into: dict[str, Any], full: str, made: Any, where: str) -> None:
        if (before := into.get(full)) is not None:
            self._faults.append(Fault(where, f"{full} is already declared at {before.where}"))
            self.hidden.append(before)
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
    """The place outside of this module that is being carried out."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
