"""A dry run: the true path from where work stands, over an overlay, and what it would have done.

Sources are called from their live cursors, stages with what is outstanding or due and with what stages before them
gave, all through. What would act outside is withheld and told. Stages that commit `within` a database work in a
copy of it that is thrown away. Nothing of the store or of such a database is changed, and no lease is taken, so
that it may run beside workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from onward import stores
from onward.app import App
from onward.clock import Clock
from onward.errors import StoreNotFound
from onward.events import Event, Observer, SourceFailed, Withheld
from onward.failure import kind_of, message_of
from onward.log import Books, Standing
from onward.logs.overlay import Overlay
from onward.prints import to_stderr
from onward.process import spare_the_collector
from onward.run import Signals
from onward.sqlite.still import Stills
from onward.within import SQLiteTarget, Target
from onward.worker import Plan, Worker
from onward.would import DryRun, told

EMPTY = Standing((), {}, {}, {}, ())
"""Where work stands in a store that was never made."""


class _Effects:
    """Counts what is withheld, and remembers how sources failed."""

    def __init__(self) -> None:
        self.withheld: Counter[str] = Counter()
        self.errors: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Withheld):
            self.withheld[event.stage] += 1
        elif isinstance(event, SourceFailed):
            self.errors[event.source] = f"{kind_of(event.error)}: {message_of(event.error)}"


async def dry_run(
    apps: Sequence[App],
    books: Books | None,
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    *,
    resources: Mapping[str, Any] | None = None,
    observers: Sequence[Observer] = (),
    clock: Clock | None = None,
    chance: Callable[[], float] = random.random,
    started: Callable[[Worker], object] = lambda worker: None,
) -> DryRun:
    """Runs the apps, which are configured, over an overlay until all is done that can be.

    Args:
        books: of the store; None where there is none yet.
        store: its URL.
        plan: `once`, `dry_run` and no `retention` are taken for said.
        started: is given the worker before it runs, to stop it.

    Raises:
        Refused: the declaration does not fit the store.
        StoreAway: the store, or a database of `within=`, was away for longer than the patience.
    """
    plan = replace(plan, once=True, dry_run=True, retention=False)
    stages = {s.name: s for app in apps for s in app.stages.values() if not plan.stages or s.name in plan.stages}
    of = {stage.name: app.name for app in apps for stage in app.stages.values()}
    urls = {s.within.resolve(settings.get(of[s.name])) for s in stages.values() if s.within is not None}
    effects = _Effects()
    stills = await asyncio.to_thread(Stills, [url for url in urls if url.startswith("sqlite:///")])
    try:
        await asyncio.to_thread(stills.hold)
        standing = await books.standing() if books is not None else EMPTY
        await asyncio.to_thread(stills.copy)
        overlay = Overlay(books, standing, url=store, readers=set(stages), clock=clock)
        worker = Worker(
            apps,
            overlay,
            overlay,
            plan,
            settings=settings,
            resources=resources,
            observers=[*observers, effects],
            clock=clock,
            chance=chance,
            target=lambda url: _target(url, stills),
        )
        started(worker)
        report = await worker.run()
        return await told(apps, plan, overlay, effects.withheld, effects.errors, report)
    finally:
        await asyncio.to_thread(stills.close)


def run(
    apps: Sequence[App], store: str, plan: Plan, settings: Mapping[str, Any], *, observers: Sequence[Observer] = ()
) -> DryRun:
    """`dry_run` in this process, until it is done or a signal stops it. To be called in the main thread.

    Whatever handlers print goes to standard error.
    """
    spare_the_collector()
    with Signals() as signals, to_stderr():
        return asyncio.run(_run(apps, store, plan, settings, observers, signals))


async def _run(
    apps: Sequence[App],
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    observers: Sequence[Observer],
    signals: Signals,
) -> DryRun:
    loop = asyncio.get_running_loop()
    for app in apps:
        app.configure(settings.get(app.name))
    async with contextlib.AsyncExitStack() as stack:
        books: Books | None = None
        with contextlib.suppress(StoreNotFound):
            books = stores.open_books(store)
            stack.push_async_callback(books.close)

        def started(worker: Worker) -> None:
            signals.on_first(lambda: loop.call_soon_threadsafe(worker.stop))

        return await dry_run(apps, books, store, plan, settings, observers=observers, started=started)


def _target(url: str, stills: Stills) -> Target:
    target = SQLiteTarget(stills.url(url))
    target.url = url  # what it says is about the database that the copy is of
    return target
