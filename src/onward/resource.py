"""A resource: what handlers share, opened once per process at first need, closed in order at the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from onward.errors import Unavailable
from onward.failure import is_stopped
from onward.handler import Handler


class Resource:
    """Declared by `@app.resource`; the function yields what it opens, once."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.handler = Handler(function, has_value=False)
        self.where = self.handler.where


class Resources:
    """The open resources of one process, for one app.

    Safe to ask from several tasks; each is opened once, after those that it needs, and closed in the opposite
    order. A plain `def` opens and closes in a thread, an `async def` on the event loop.
    """

    def __init__(self, declared: Mapping[str, Resource], settings: Any, given: Mapping[str, Any] | None = None) -> None:
        self._declared = declared
        self._settings = settings
        self._open: dict[str, Any] = dict(given or {})
        self._stack = contextlib.AsyncExitStack()
        self._turn = asyncio.Lock()

    async def get(self, handler: Handler) -> dict[str, Any]:
        """The keyword arguments of a handler that are settings or resources.

        Raises:
            Unavailable: one of them cannot be opened now.
        """
        found: dict[str, Any] = {}
        for name in handler.needs:
            if name in self._open:
                found[name] = self._open[name]
            elif name in self._declared:
                found[name] = await self.open(name)
            elif self._is_settings(handler, name):
                found[name] = self._settings
        return found

    async def open(self, name: str) -> Any:
        """One resource by its name, opened if it is not open yet.

        Raises:
            Unavailable: it cannot be opened now.
        """
        async with self._turn:
            return await self._opened(name)

    async def close(self) -> None:
        """Closes what is open, the last first. Calling it again does nothing."""
        await self._stack.aclose()
        self._open.clear()

    async def _opened(self, name: str) -> Any:
        if name in self._open:
            return self._open[name]
        handler = self._declared[name].handler
        arguments: dict[str, Any] = {}
        for need in handler.needs:
            if need in self._declared:
                arguments[need] = await self._opened(need)
            elif self._is_settings(handler, need):
                arguments[need] = self._settings
        try:
            self._open[name] = await self._enter(handler, arguments)
        except BaseException as error:
            if is_stopped(error):
                raise
            raise Unavailable(f"resource {name} cannot open: {type(error).__name__}: {error}") from error
        return self._open[name]

    async def _enter(self, handler: Handler, arguments: dict[str, Any]) -> Any:
        function = handler.function
        if inspect.isasyncgenfunction(function):
            return await self._stack.enter_async_context(contextlib.asynccontextmanager(function)(**arguments))
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        if inspect.isgeneratorfunction(function):
            opened = contextlib.contextmanager(function)(**arguments)
            value = await asyncio.to_thread(opened.__enter__)
            self._stack.push_async_callback(asyncio.to_thread, opened.__exit__, None, None, None)
            return value
        return await asyncio.to_thread(function, **arguments)

    def _is_settings(self, handler: Handler, name: str) -> bool:
        hint = handler.hints.get(name)
        return self._settings is not None and hint is not object and hint in type(self._settings).__mro__
