"""`onward move`: a whole store to another home."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from onward import stores
from onward.cli import options, show
from onward.config import Config
from onward.errors import Refused
from onward.move import Move, Moved, cancel

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 5.0
"""Seconds between lines that tell how far it is, where nobody is looking."""


def move(
    topic: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]...", help="Not in this version.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Where the store is to live.", show_default=False)
    ] = None,
    give_up: Annotated[bool, typer.Option("--cancel", help="Give up a move that has not ended.")] = False,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Move the whole store to another home; what was interrupted goes on where it was."""
    if topic:
        raise Refused(
            "a topic cannot be moved to another home in this version; without TOPIC the whole store is: "
            "onward move --to URL"
        )
    if (to is None) is not give_up:
        raise Refused("say where the store is to live, as in `onward move --to URL`, or --cancel")
    config = Config.read()
    url = config.store(store)
    if to is None:
        _cancel(url, json=json)
    else:
        try:
            done = asyncio.run(_move(url, to, config.user()))
        except KeyboardInterrupt:
            show.note("it has stopped on its way; the same command again goes on, --cancel gives it up")
            raise
        if json:
            show.document(done)
        else:
            print(f"{done.store} has moved to {done.to}: {done.records} records, {done.bytes} bytes, {done.rows} rows")
            show.note("name the new one by --store, ONWARD_STORE or onward.toml from now on; the old one can be read")


async def _move(url: str, to: str, by: str) -> Moved:
    async with stores.carrying(url) as old, stores.carrying(to) as new:
        with Drawing() as drawing:
            return await Move(old, new, by, tell=drawing.tell).run()


def _cancel(url: str, *, json: bool) -> None:
    async def work() -> tuple[str, str]:
        async with stores.carrying(url) as old:
            return old.shown, (await cancel(old)).other

    shown, other = asyncio.run(work())
    if json:
        show.document({"store": shown, "cancelled": other})
    else:
        print(f"{shown} works again; delete what has arrived at {other}, it is of no use")


class Drawing:
    """How far a move is: bars for who looks, else a line now and then."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._next = time.monotonic() + EVERY

    def __enter__(self) -> Drawing:
        if show.err.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bars = Progress(*columns, console=show.err.console)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def tell(self, kind: str, done: int, total: int) -> None:
        """Shows that so many rows of a kind are there."""
        if self._bars is not None:
            if kind not in self._tasks:
                self._tasks[kind] = self._bars.add_task(kind, total=total)
            self._bars.update(self._tasks[kind], completed=done, total=total)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            show.note(f"{kind}: {done} of {total} rows are there")
