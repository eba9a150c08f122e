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

from onward import databases, stores
from onward.app import App
from onward.clock import Clock
from onward.errors import Refused, StoreNotFound
from onward.events import Event, Observer, SourceFailed, Withheld
from onward.failure import kind_of, message_of
from onward.log import Books, Replay
from onward.logs.overlay import Overlay
from onward.plan import Plan
from onward.prints import to_stderr
from onward.process import spare_the_collector
from onward.ration import NEVER
from onward.run import Signals
from onward.survey import Standing
from onward.url import shown
from onward.worker import Worker
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
    replay: Replay | None = None,
) -> DryRun:
    """Runs the apps, which are configured, over an overlay until all is done that can be.

    Args:
        books: of the store; None where there is none yet.
        store: its URL.
        plan: `once` and `dry_run` are taken for said, and neither retention nor bounds.
        started: is given the worker before it runs, to stop it.
        replay: runs only this, and the stages after it with what it gives them.

    Raises:
        Refused: the declaration does not fit the store.
        StoreAway: the store, or a database of `within=`, was away for longer than the patience.
    """
    plan = replace(plan, once=True, dry_run=True, retention=False, bounded=False)
    if replay is not None:
        plan = replace(plan, stages=_after(apps, replay.stage))
    stages = {s.name: s for app in apps for s in app.stages.values() if not plan.stages or s.name in plan.stages}
    of = {stage.name: app.name for app in apps for stage in app.stages.values()}
    urls = {s.within.resolve(settings.get(of[s.name])) for s in stages.values() if s.within is not None}
    effects = _Effects()
    stills = {url: databases.still_of(url) for url in sorted(urls)}
    try:
        for still in stills.values():
            await asyncio.to_thread(still.hold)
        standing = await books.standing() if books is not None else EMPTY
        for still in stills.values():
            await asyncio.to_thread(still.look)
        if replay is not None:
            standing = _at_rest(standing)
        overlay = Overlay(books, standing, url=shown(store), readers=set(stages), clock=clock)
        if replay is not None:
            await overlay.replay(replay)
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
            target=lambda url, _: stills[url].target(),
        )
        started(worker)
        report = await worker.run()
        return await told(apps, plan, overlay, effects.withheld, effects.errors, report)
    finally:
        for still in stills.values():
            await asyncio.to_thread(still.close)


def run(
    apps: Sequence[App],
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    *,
    observers: Sequence[Observer] = (),
    replay: Replay | None = None,
) -> DryRun:
    """`dry_run` in this process, until it is done or a signal stops it. To be called in the main thread.

    Whatever handlers print goes to standard error.
    """
    spare_the_collector()
    with Signals() as signals, to_stderr():
        return asyncio.run(_run(apps, store, plan, settings, observers, replay, signals))


async def _run(
    apps: Sequence[App],
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    observers: Sequence[Observer],
    replay: Replay | None,
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

        return await dry_run(apps, books, store, plan, settings, observers=observers, started=started, replay=replay)


def _after(apps: Sequence[App], stage: str) -> tuple[str, ...]:
    """A stage and all that read what it emits, or what these emit."""
    stages = {one.name: one for app in apps for one in app.stages.values()}
    if stage not in stages:
        raise Refused(f"{', '.join(app.name for app in apps)} has no stage {stage}")
    found, left = [stage], [stage]
    while left:
        topics = set(stages[left.pop()].to)
        more = [name for name, one in stages.items() if one.topic in topics and name not in found]
        found, left = found + more, left + more
    return tuple(found)


def _at_rest(standing: Standing) -> Standing:
    """As if all were done that is outstanding, and nothing due."""
    stages = {}
    for where, stage in standing.stages.items():
        parked = [replace(row, due=NEVER) if row.state == "retrying" else row for row in stage.claim.parked]
        end = standing.topics[stage.topic].ends[where[1]]
        claim = replace(stage.claim, next=end, ahead=(), parked=parked)
        begins = end - claim.totals.done - len(parked)  # so that nothing counts as outstanding
        stages[where] = stage._replace(begins=begins, claim=claim)
    return standing._replace(stages=stages, requests=())
