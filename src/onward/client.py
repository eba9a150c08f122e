"""A client: an app's store in the hands of another program: a web handler, a notebook, a script.

with onward.open(app) as client:
    client.put(orders, Order("ann", 1250))

async with onward.open(app) as client:
    await client.put(orders, Order("ann", 1250))
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from onward import stores
from onward.app import App, topics_of
from onward.changes import Changes
from onward.client_table import ClientTable
from onward.clock import Clock, SystemClock
from onward.codec import Codec
from onward.config import Config
from onward.declaration import spec_of
from onward.document import Edit
from onward.emit import Emitter, Outside
from onward.errors import BadRecord, Conflict, OnwardError, Refused
from onward.log import Commit, Joining, Log
from onward.loop import Calls, LoopThread
from onward.names import full_name
from onward.open_table import OpenTable
from onward.resource import Resources
from onward.table import Table
from onward.task import task_of
from onward.task_run import run_task
from onward.together import Together
from onward.topic import Topic
from onward.units import instant_text

T = TypeVar("T")

AGAIN = 20
"""How often a single change of a table is made, while others change the same document."""


def open(
    app: App, store: str | None = None, *, settings: Any = None, resources: Mapping[str, Any] | None = None
) -> Client:
    """The app's store, for `with` (calls wait) or `async with` (calls are awaited). Opened when the block begins.

    Args:
        app: whose topics, tables and tasks are to be used; checked when the block begins.
        store: its URL; else `ONWARD_STORE`, else that of `onward.toml`, else `sqlite:///onward.db`.
        settings: an instance of the app's settings class, for tasks; else as `onward run` finds them, when a task runs.
        resources: what takes the place of the app's resources, by name.
    """
    return Client(app, store, settings, resources)


class Client:
    """Given by `onward.open`: what another program can do with an app's store, a web handler, a notebook, a script.

    Under `async with` every call gives an awaitable, under `with` its result. The block's beginning opens or makes the
    store and writes the app's declaration into it. Workers may run beside it, and are woken by what it puts. Safe to
    use from several threads, and from several event loops; a program that lives long keeps one open.

    `StoreAway` means that nothing was kept and the call may be tried again, `StoreUncertain` that only looking can
    tell.
    """

    def __init__(
        self, app: App, store: str | None = None, settings: Any = None, resources: Mapping[str, Any] | None = None
    ) -> None:
        self._app = app
        self._store = store
        self._settings = settings
        self._given = resources
        self._resources: Resources | None = None
        self._topics = topics_of(app)
        self._codecs = {name: Codec(topic.type) for name, topic in self._topics.items()}
        self._emitter = Emitter(list(self._topics.values()), self._codecs)
        self._thread: Calls | None = None
        self._awaited = False
        self._opened: Log | None = None
        self._user = ""
        self._clock: Clock = SystemClock()

    @classmethod
    def over(cls, app: App, log: Log, calls: Calls, *, awaited: bool, by: str, clock: Clock) -> Client:
        """For Onward itself: a client of a store that somebody else has opened and will close, on the loop of
        `calls`."""
        made = cls(app)
        made._opened, made._thread, made._awaited = log, calls, awaited
        made._user, made._clock = by, clock
        return made

    # what it is for

    def put(
        self,
        topic: Topic[T] | str,
        *values: T,
        key: Any = UNSET,
        headers: dict[str, str] | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
        tx: Any = None,
    ) -> Any:
        """Puts values into a topic, all or none; on disk when it returns.

        Args:
            topic: of this app, itself or by its name.
            values: of the topic's type; one that does not fit raises before anything is put.
            key: of all of them, instead of the topic's `key=`; None: without.
            headers: texts by name.
            time: a datetime (without zone: UTC) or ISO 8601 text; now unless said.
            tx: a `psycopg.Connection` to the store's own PostgreSQL database (under `async with` an `AsyncConnection`,
                too): the values are put in its open transaction, which has to be READ COMMITTED. They are there when
                the caller commits it, and not at all where it is rolled back. Commit soon: until then whoever puts into
                the same partitions waits. Workers look within half a second.

        Raises:
            BadRecord, BadOutput: a value does not fit the topic.
            StoreAway: nothing was put, and it may be tried again.
            Refused: `tx` is no such connection; nothing was put.
        """
        records = self._records(topic, values, key, headers, time)
        return self._do(self._keep(records)) if tx is None else self._join(tx, records)

    def table(self, table: Table[Any] | str) -> ClientTable:
        """A `table` of the app, itself or by its name, with the calls of `Table`. Each of its calls that changes
        something is a commit of its own, made again where others change the same document; see `commit` for more in
        one."""
        self._running()
        found = self._table(table)
        return ClientTable(found, lambda work: self._do(self._at_table(found, work)))

    def commit(self) -> Together:
        """A block, `with client.commit() as c` or `async with`, in which `c.put(...)` and `c.table(...)`, plain calls
        in both, gather; the app's tables can be called as they are, too. All of it is one commit at the block's end,
        and none of it where the block fails.

        Raises:
            Conflict: at the end, a document has changed since the block read it; nothing was kept.
        """
        self._running()
        return Together(self)

    def run(self, task: Any, /, **arguments: Any) -> Any:
        """Runs a task of the app in this process, and records the run; gives what it returns, or raises its error.

        Args:
            task: its function, or its name.
            arguments: as the function takes them; text is converted as on the command line.

        Raises:
            Refused: an argument is missing, unknown, or of another type.
        """
        return self._do(self._run(task, arguments))

    # for `with`

    def __enter__(self) -> Client:
        thread = self._begin(awaited=False)
        try:
            thread.wait(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._running().wait(self._close())
        finally:
            self._end()

    async def __aenter__(self) -> Client:
        thread = self._begin(awaited=True)
        try:
            await asyncio.wrap_future(thread.submit(self._open()))
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.wrap_future(self._running().submit(self._close()))
        finally:
            self._end()

    # how it is done

    def _records(self, topic: Topic[Any] | str, values: Any, key: Any, headers: Any, time: Any) -> list[Outside]:
        """Values as records that can be packed."""
        found, now = self._topic(topic), instant_text(self._clock.now())
        try:
            return [self._emitter.encoded(found.record(value, key, headers, time), now) for value in values]
        except OnwardError:
            raise
        except Exception as error:  # the topic's key function, or a time that is none
            raise BadRecord(f"a value for topic {found.name}: {type(error).__name__}: {error}") from error

    async def _keep(self, records: list[Outside], edits: Sequence[Edit] = ()) -> None:
        """One commit of them."""
        if records or edits:
            await self._log.commit(Commit(appends=self._emitter.pack(records), tables=edits))

    def _join(self, tx: Any, records: list[Outside]) -> Any:
        """Puts them in somebody's transaction."""
        self._running()
        log, appends = self._log, self._emitter.pack(records)
        if not isinstance(log, Joining):
            raise Refused("put(tx=...) joins a PostgreSQL transaction; this store is none: use client.commit() instead")
        is_awaited = inspect.iscoroutinefunction(getattr(tx, "execute", None))
        if is_awaited and not self._awaited:
            raise Refused("put(tx=...) with an AsyncConnection is for `async with onward.open(...)`")
        if self._awaited and not is_awaited:
            return asyncio.to_thread(log.join, tx, appends)
        return log.join(tx, appends)

    async def _at_table(self, table: Table[Any], work: Callable[[OpenTable], T]) -> T:
        for left in reversed(range(AGAIN)):
            changes = self._changes()
            result = work(table.through(changes))
            try:
                await self._keep([], changes.edits)
            except Conflict:
                if not left:
                    raise
            else:
                return result
        raise AssertionError

    def _changes(self) -> Changes:
        return Changes(self._log.tables, self._user, self._clock.now)

    def _table(self, table: Table[Any] | str) -> Table[Any]:
        tables = self._app.tables
        if isinstance(table, str):
            return tables[full_name("table", table, tables, self._app.name)]
        if tables.get(table.name) is not table:
            raise Refused(f"table {table.name} is none of app {self._app.name}; open the app whose table it is")
        return table

    async def _run(self, named: Any, given: dict[str, Any]) -> Any:
        task = task_of(self._app, named)
        arguments = task.arguments(task.parameters(self._app), given)
        if self._resources is None:
            if self._settings is None:
                self._settings = Config.read().settings(self._app)
            self._app.configure(self._settings)
            self._resources = Resources(self._app.resources, self._settings, self._given)
        calls = Calls(asyncio.get_running_loop())
        client = Client.over(
            self._app, self._log, calls, awaited=task.handler.is_async, by=self._user, clock=self._clock
        )
        _, result = await run_task(
            self._log, task, arguments, resources=self._resources, client=client, by=self._user, clock=self._clock
        )
        return result

    def _topic(self, topic: Topic[Any] | str) -> Topic[Any]:
        if isinstance(topic, str):
            return self._topics[full_name("topic", topic, self._topics, self._app.name)]
        if self._topics.get(topic.name) is not topic:
            raise Refused(f"topic {topic.name} is none of app {self._app.name}; open the app whose topic it is")
        return topic

    def _expect(self, *, awaited: bool) -> None:
        """Refuses the wrong kind of block."""
        self._running()
        if awaited is not self._awaited:
            wrong, right = ("async with", "with") if awaited else ("with", "async with")
            raise Refused(f"this client was opened by `{right}`; write `{right} client.commit()`, not `{wrong}`")

    def _do(self, work: Coroutine[Any, Any, T]) -> Any:
        """The one place where calls that wait and calls that are awaited differ."""
        try:
            thread = self._running()
        except Refused:
            work.close()
            raise
        return asyncio.wrap_future(thread.submit(work)) if self._awaited else thread.wait(work)

    @property
    def _log(self) -> Log:
        assert self._opened is not None
        return self._opened

    def _begin(self, *, awaited: bool) -> Calls:
        if self._thread is not None:
            raise Refused("this client is open already; call onward.open again for another one")
        self._app.check()
        self._awaited = awaited
        self._thread = LoopThread("onward-client")
        return self._thread

    def _running(self) -> Calls:
        if self._thread is None:
            raise Refused("this client is not open; use it within `with onward.open(app) as client:`")
        return self._thread

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if isinstance(thread, LoopThread):
            thread.close()

    async def _open(self) -> None:
        config = Config.read()
        self._user = config.user()
        self._opened = stores.open_log(config.store(self._store))
        try:
            await self._opened.declare(spec_of(self._app))
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        resources, self._resources = self._resources, None
        if resources is not None:
            await resources.close()
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()
