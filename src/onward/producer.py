"""A producer: one call of a source's function, which fills a feed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from onward.failure import is_stopped, kind_of, message_of
from onward.feed import Feed, Stopped
from onward.source import Source


class Producer:
    """A plain function runs in a thread of its own, as it may block for as long as it likes; an async one in a task.

    `result` is done when the function has returned or raised, or was left. A thread that is left goes on until its
    next yield; nobody takes what it yields.
    """

    def __init__(self, source: Source, feed: Feed, cursor: Any, arguments: dict[str, Any]) -> None:
        self._source = source
        self._feed = feed
        self._over = asyncio.Event()
        work = self._in_task if source.handler.is_async else self._in_thread
        self.result: asyncio.Future[None] = asyncio.ensure_future(work(cursor, arguments))

    def leave(self) -> None:
        """Nobody takes more of it."""
        self._feed.stop()
        self.result.cancel()

    async def over(self, seconds: float) -> bool:
        """Whether the function has ended, waiting for it so long at the most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()

    async def _in_task(self, cursor: Any, arguments: dict[str, Any]) -> None:
        try:
            async for item in self._source.handler.function(cursor, **arguments):
                self._feed.put(item)
                if not self._feed.has_room():
                    await asyncio.to_thread(self._feed.wait)
        except BaseException as error:
            if is_stopped(error) or (carried := _carried(error)) is error:
                raise
            raise carried from error
        finally:
            self._over.set()

    async def _in_thread(self, cursor: Any, arguments: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            self._over.set()
            if not ended.done():
                ended.set_result(None) if error is None else ended.set_exception(error)

        def work() -> None:
            error: BaseException | None = None
            try:
                for item in self._source.handler.function(cursor, **arguments) or ():
                    self._feed.put(item)
                    if not self._feed.has_room():
                        self._feed.wait()
            except BaseException as caught:
                error = _carried(caught)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, error)

        threading.Thread(target=work, name=f"onward-{self._source.name}", daemon=True).start()
        await ended


def _carried(error: BaseException) -> BaseException:
    """What a source raised as an error that a future can carry, and that ends nothing but the source."""
    if isinstance(error, Stopped) or (isinstance(error, Exception) and not isinstance(error, StopIteration)):
        return error
    return RuntimeError(f"it raised {kind_of(error)}: {message_of(error)}")
