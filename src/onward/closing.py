"""How a worker closes: what is in hand is finished within the grace, then all is given back and closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from onward.errors import StoreAway, StoreUncertain
from onward.events import Deaf, StoreAbsent

if TYPE_CHECKING:
    from onward.worker import Worker

LAST = 1.0
"""Seconds for which what was cancelled may still take to end."""

GIVING_BACK = 5.0
"""Seconds that a worker which ends waits for its store."""


async def close(worker: Worker, grace: float, helpers: Sequence[asyncio.Task[None]]) -> None:
    """Ends all that is at work in a worker which takes no more; `helpers` are what ran beside it."""
    runs_on = await _end_work(worker, grace)
    worker.budgets.disconnect()
    for helper in helpers:
        helper.cancel()
    crews = worker.roster.crews.values()
    await asyncio.gather(*helpers, *(crew.close() for crew in crews), return_exceptions=True)
    await _give_back(worker)
    # A plain def that overran the grace cannot be stopped, nor what it uses closed under it.
    runs_on = runs_on or worker.report.replace
    if not runs_on:
        await worker.close_resources()
    worker.threads.shutdown(wait=not runs_on, cancel_futures=True)
    if not runs_on:
        worker.databases.close()


async def _end_work(worker: Worker, grace: float) -> bool:
    """Ends lanes and intakes: by themselves within the grace, then by force. Whether something runs on all the same."""
    roster = worker.roster
    roster.stop()
    working = dict(zip(roster.tasks.values(), roster.tasks, strict=True))
    if not working:
        return False
    _, late = await asyncio.wait(working, timeout=grace)
    lanes = list(roster.lanes.values())
    roster.give_up()
    worker.budgets.close()
    for task in late:
        task.cancel()
    _, deaf = await asyncio.wait(working, timeout=LAST)
    with contextlib.suppress(TimeoutError, StoreAway, StoreUncertain):
        async with asyncio.timeout(LAST):
            await asyncio.gather(*(lane.let_go() for lane in lanes))
    for task in deaf:
        worker.report.deaf = True
        worker.observe(Deaf(*working[task]))
    parts = {**worker.stages, **worker.sources}
    return bool(deaf) or any(not parts[working[task][0]].handler.is_async for task in late)


async def _give_back(worker: Worker) -> None:
    """A store that is away keeps nobody from ending: what is not given back is over soon, or its process dead."""
    try:
        async with asyncio.timeout(GIVING_BACK):
            await worker.retention.give_back()
            await worker.leases.give_back_all()
    except (StoreAway, StoreUncertain, TimeoutError) as error:
        worker.observe(StoreAbsent(str(error) or "its leases could not be given back", 0.0))
