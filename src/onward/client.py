"""A client: an app's store in the hands of another program: a web handler, a notebook, a script.

with onward.open(app) as client:
    client.put(orders, Order("ann", 1250))

async with onward.open(app) as client:
    await client.put(orders, Order("ann", 1250))
"""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Coroutine
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from onward import stores
from onward.app import App, topics_of
from onward.codec import Codec
from onward.config import Config
from onward.emit import Emitter, Outside
from onward.errors import BadRecord, OnwardError, Refused
from onward.log import Commit, Log
from onward.loop import LoopThread
from onward.names import full_name
from onward.topic import Topic
from onward.units import instant_text
from onward.worker import spec_of

T = TypeVar("T")


def open(app: App, store: str | None = None) -> Client:
    """The app's store, for `with` (calls wait) or `async with` (calls are awaited). Opened when the block begins.

    Args:
        store: its URL; else `ONWARD_STORE`, else that of `onward.toml`, else `sqlite:///onward.db`.
    """
    return Client(app, store)


class Client:
    """What another program can do with an app's store. Workers may run beside it, and are woken by what it puts.

    Under `async with` every call gives an awaitable, under `with` its result. The block's beginning opens or makes
    the store and writes the app's declaration into it. Safe to use from several threads, and from several event loops.
    """

    def __init__(self, app: App, store: str | None = None) -> None:
        self._app = app
        self._store = store
        self._topics = topics_of(app)
        self._codecs = {name: Codec(topic.type) for name, topic in self._topics.items()}
        self._emitter = Emitter(list(self._topics.values()), self._codecs)
        self._thread: LoopThread | None = None
        self._awaited = False
        self._opened: Log | None = None

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
            key: of all of them, instead of the topic's `key=`; None: without.
            headers: texts by name.
            time: a datetime (without zone: UTC) or ISO 8601 text; now unless said.
            tx: is for stores on PostgreSQL.

        Raises:
            BadRecord, BadOutput: a value does not fit the topic.
            StoreAway: nothing was put, and it may be tried again.
        """
        if tx is not None:
            raise Refused("put(tx=...) joins a PostgreSQL transaction; this store is none: use client.commit() instead")
        return self._do(self._keep(self._records(topic, values, key, headers, time)))

    def commit(self) -> Together:
        """A block in which `put` gathers; all of it is one commit at its end, and none of it where the block fails."""
        self._running()
        return Together(self)

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
        found, now = self._topic(topic), instant_text(clock.time())
        try:
            return [self._emitter.encoded(found.record(value, key, headers, time), now) for value in values]
        except OnwardError:
            raise
        except Exception as error:  # the topic's key function, or a time that is none
            raise BadRecord(f"a value for topic {found.name}: {type(error).__name__}: {error}") from error

    async def _keep(self, records: list[Outside]) -> None:
        """One commit of them."""
        if records:
            await self._log.commit(Commit(appends=self._emitter.pack(records)))

    def _topic(self, topic: Topic[Any] | str) -> Topic[Any]:
        if isinstance(topic, str):
            return self._topics[full_name(f"topic of app {self._app.name}", topic, self._topics)]
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

    def _begin(self, *, awaited: bool) -> LoopThread:
        if self._thread is not None:
            raise Refused("this client is open already; call onward.open again for another one")
        self._app.check()
        self._awaited = awaited
        self._thread = LoopThread("onward-client")
        return self._thread

    def _running(self) -> LoopThread:
        if self._thread is None:
            raise Refused("this client is not open; use it within `with onward.open(app) as client:`")
        return self._thread

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    async def _open(self) -> None:
        self._opened = stores.open_log(Config.read().store(self._store))
        try:
            await self._opened.declare(spec_of(self._app))
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()


class Together:
    """What a `client.commit()` block gathers; for one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._records: list[Outside] = []

    def put(
        self,
        topic: Topic[T] | str,
        *values: T,
        key: Any = UNSET,
        headers: dict[str, str] | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
    ) -> None:
        """As `client.put`, kept with the block's end; a plain call also under `async with`."""
        self._records += self._client._records(topic, values, key, headers, time)

    def __enter__(self) -> Together:
        self._client._expect(awaited=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._client._do(self._client._keep(self._records))

    async def __aenter__(self) -> Together:
        self._client._expect(awaited=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self._client._do(self._client._keep(self._records))
