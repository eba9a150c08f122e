"""Running apps against a store, in this process: what is opened, and who is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeVar

from msgspec import Struct

from onward import stores
from onward.app import App
from onward.declaration import spec_of
from onward.errors import StoreAway
from onward.events import Observer, StoreAbsent
from onward.exit import STOPPING, keep
from onward.health import Health
from onward.log import Survey
from onward.names import full_name
from onward.plan import Plan, Report
from onward.prints import to_stderr
from onward.process import spare_the_collector
from onward.status import AppStatus, status
from onward.worker import Worker

T = TypeVar("T")

Told = Callable[[Callable[[], Health]], contextlib.AbstractContextManager[Any]]
"""Tells, while it is entered, what it is given; as `health.serving` at an address."""


class Signals:
    """The first SIGINT or SIGTERM asks to stop, the second ends the process at once with 130 or 143."""

    def __init__(self) -> None:
        self.heard: int | None = None
        self._stop: Callable[[], object] = lambda: None
        self._before: dict[int, Any] = {}

    def on_first(self, stop: Callable[[], object]) -> None:
        """Names what the first one does; done now if it has come already."""
        self._stop = stop
        if self.heard is not None:
            stop()

    def __enter__(self) -> Signals:
        for number in STOPPING:
            self._before[number] = signal.signal(number, self._come)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # see `again`
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # Within another of these: one that came too late to be of use here is the other's to heed.
        outer = getattr(self._before[self.heard], "__self__", None) if self.heard is not None else None
        if isinstance(outer, Signals) and outer.heard is None:
            outer._come(self.heard or 0, None)

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self.heard is not None:
            os._exit(128 + number)
        self.heard = number
        self._stop()


class Ended(Struct, frozen=True):
    """How a run ended: what happened in it, what the store holds now, and whether a signal ended it.

    `survey` is None where a signal ended it while the store was away.
    """

    report: Report
    survey: Survey | None
    stopped: bool


def run(
    apps: Sequence[App],
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    *,
    observers: Sequence[Observer] = (),
    watch: Callable[[Survey], None] | None = None,
    health: Told | None = None,
) -> Ended:
    """Runs until a signal stops it or, under `once`, all is done. To be called in the main thread.

    Whatever handlers print goes to standard error.

    Args:
        settings: by app.
        watch: called with what the store holds, about twice a second.
        health: is given what says whether this process is well, and entered while it runs.

    Raises:
        Refused: the declaration does not fit the store, or what `health` raises.
        StoreAway: under `once`, the store was away for longer than the patience.
    """
    spare_the_collector()
    with Signals() as signals, to_stderr():
        runner = asyncio.Runner()
        ended = None
        try:
            ended = runner.run(_run(apps, store, plan, settings, observers, watch, health, signals))
        finally:
            if ended is not None and ended.report.deaf:
                keep(runner)  # closing it would wait for the call that does not end
            else:
                runner.close()
        return ended


async def _run(
    apps: Sequence[App],
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    observers: Sequence[Observer],
    watch: Callable[[Survey], None] | None,
    health: Told | None,
    signals: Signals,
) -> Ended:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    signals.on_first(lambda: loop.call_soon_threadsafe(stopping.set))

    async def opened(work: Callable[[], T]) -> T:
        return await _patiently(work, plan, observers, stopping)

    worker: Worker | None = None

    def look() -> Health:
        return Health(True, False, "waits for the store", {}) if worker is None else worker.health()

    survey, report = None, Report()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_ending(signals))
        if health is not None:
            stack.enter_context(health(look))
        log = await opened(lambda: stores.open_log(store, listen=True))
        stack.push_async_callback(log.close)
        books = await opened(lambda: stores.open_books(store))
        stack.push_async_callback(books.close)
        for app in apps:
            app.configure(settings.get(app.name))
        worker = Worker(apps, log, books, plan, settings=settings, observers=observers)
        signals.on_first(lambda: loop.call_soon_threadsafe(worker.stop))
        watching = asyncio.create_task(_watch(store, watch)) if watch is not None else None
        try:
            report = await worker.run()
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        survey = await books.survey()
        if watch is not None:
            watch(survey)
    return Ended(report, survey, signals.heard is not None)


@contextlib.contextmanager
def _ending(signals: Signals) -> Iterator[None]:
    """Who was told to stop ends as it was told, also where the store is away by then."""
    try:
        yield
    except StoreAway:
        if signals.heard is None:
            raise


async def _patiently(work: Callable[[], T], plan: Plan, observers: Sequence[Observer], stopping: asyncio.Event) -> T:
    """Opens what may be away just now. Under `once` not longer than the patience, nor after a signal."""
    wait, tried = 0.05, 0.0
    while True:
        try:
            return work()
        except StoreAway as error:
            if stopping.is_set() or (plan.once and tried >= plan.patience):
                raise
            for observer in observers:
                observer(StoreAbsent(str(error), wait))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await stopping.wait()
        tried, wait = tried + wait, min(wait * 2, 5.0)


async def _watch(store: str, watch: Callable[[Survey], None]) -> None:
    """Looks by a handle of its own, so that a slow look holds up nobody."""
    async with stores.looking(store) as books:
        while True:
            with contextlib.suppress(StoreAway):
                watch(await books.survey())
            await asyncio.sleep(0.5)


def seen(apps: Sequence[App], store: str) -> list[AppStatus]:
    """What the store says of these apps now, as `status` shows it; from any thread that has no event loop.

    Raises:
        OnwardError: it is away, or not there yet.
    """

    async def look() -> list[AppStatus]:
        async with stores.looking(store) as books:
            return status(store, await books.survey(), [spec_of(app) for app in apps]).apps

    return asyncio.run(look())


def parts(names: Sequence[str], apps: Sequence[App]) -> tuple[str, ...]:
    """The full names of the stages and sources that were named, in full or in short where only one fits.

    Raises:
        Refused: nothing, or more than one, has that name.
    """
    known = [part.name for app in apps for part in app]
    return tuple(full_name("stage or source", name, known) for name in names)


def command(*options: str) -> list[str]:
    """The command line of this process with these options besides."""
    said = len(sys.argv) - 1
    before, after = sys.orig_argv[1 : len(sys.orig_argv) - said], sys.orig_argv[len(sys.orig_argv) - said :]
    return [sys.executable, *before, after[0], *options, *after[1:]]


def again(*options: str) -> NoReturn:
    """Replaces this process by a fresh one with the same command line and these options: same number, same parent.

    It is what frees a worker of a plain `def` that hangs. Signals that come in between are kept for the new one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    os.execv(sys.executable, command(*(option for option in options if option not in sys.argv)))
