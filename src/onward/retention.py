"""Retention: what may go from a store, and the worker's part that lets it go.

A block goes when its topic's `keep` has passed since the last stage of the topic had passed it; where no stage reads
the topic, since it was written. What a declared stage has yet to see stays, for however long it is paused, tripped or
not run. A stage that its app declares no more holds up its topic for `keep` from then on, and no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from onward.clock import Clock
from onward.errors import OnwardError, StoreAway, StoreUncertain
from onward.events import Swept, Trouble
from onward.log import Books, Lease, Log, PartitionFacts, Survey
from onward.survey import parts_of

EVERY = 60.0
"""Seconds from one sweep to the next."""

LEASE = "retention"
"""The lease that the worker holds which sweeps; no stage has such a name, without a dot."""

BLOCKS, ROWS = 100, 500
"""What goes in one transaction, at most: who writes beside it waits for tens of milliseconds."""

RECENT = 3600.0
"""Seconds for which rows of progress stay in any case: rates are counted from them."""


class Due(NamedTuple):
    """What may go of a topic: what was written before an instant, up to an offset of each partition."""

    topic: str
    before: float
    offsets: dict[int, int]
    overrun: tuple[str, ...]


def reading(survey: Survey, now: float) -> dict[str, dict[str, bool]]:
    """The stages of each topic that an app declares, and whether each holds it up."""
    found: dict[str, dict[str, bool]] = {topic: {} for topic in _keeps(survey)}
    for one in survey.stages:
        if one.topic in found:
            since = survey.gone.get(one.stage)
            found[one.topic][one.stage] = since is None or now < since + _keeps(survey)[one.topic]
    return found


def instants(survey: Survey, now: float) -> dict[str, float]:
    """For each stage the instant for which has to be known how far it had come."""
    keeps = _keeps(survey)
    return {one.stage: now - keeps[one.topic] for one in survey.stages if one.topic in keeps}


def due(survey: Survey, passed: Mapping[tuple[str, int], int], now: float) -> Iterator[Due]:
    """What may go, topic by topic; `passed` is how far each stage had come at its instant."""
    partitions = {facts.topic: max(facts.partitions, facts.held) for facts in survey.topics}
    for topic, stages in reading(survey, now).items():
        holding = [stage for stage, holds in stages.items() if holds]
        offsets = {}
        for partition in range(partitions.get(topic, 0)):
            reached = [passed[stage, partition] for stage in holding if (stage, partition) in passed]
            offsets[partition] = min(reached, default=2**62)
        yield Due(topic, now - _keeps(survey)[topic], offsets, tuple(sorted(stages.keys() - holding)))


def _keeps(survey: Survey) -> dict[str, float]:
    """Seconds for which each topic that an app declares keeps records; the longest where several declare it."""
    found: dict[str, float] = {}
    for app in survey.apps:
        for topic in app.topics:
            found[topic.name] = max(topic.keep, found.get(topic.name, 0.0))
    return found


class Sweep(Struct):
    """What one sweep has let go: blocks of topics, and rows of stages."""

    blocks: int = 0
    rows: int = 0


class Retention:
    """Sweeps a store again and again, one worker at a time, in small steps with pauses as long as they took."""

    def __init__(self, log: Log, books: Books, clock: Clock, worker: str, observe: Callable[[object], None]) -> None:
        self._log = log
        self._books = books
        self._clock = clock
        self._worker = worker
        self._observe = observe
        self._lease: Lease | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            due = self._clock.now() + EVERY
            while self._clock.now() < due:
                # A new event each time: a clock that is advanced by hand sets it.
                await self._clock.wait(asyncio.Event(), due)
            try:
                await self.sweep()
            except (StoreAway, StoreUncertain):
                pass  # the next one goes on
            except OnwardError as error:
                self._observe(Trouble(LEASE, f"{type(error).__name__}: {error}"))

    async def sweep(self) -> Sweep | None:
        """Lets go of all that may go; None where another worker is at it, or was in the last minute."""
        claim = await self._log.claim(LEASE, 0, self._worker, 2 * EVERY)
        if claim is None:
            return None
        self._lease, swept, begun = claim.lease, Sweep(), time.monotonic()
        now = self._clock.now()
        survey = await self._books.survey(0.0)
        passed = await self._books.passed(instants(survey, now))
        for one in due(survey, passed, now):
            swept.blocks += await self._gently(lambda one=one: self._retain(one))  # type: ignore[misc]
        keeps, to = _keeps(survey), _outputs(survey)
        for facts in (*survey.stages, *parts_of(survey.replays)):
            before = now - max(RECENT, keeps.get(facts.topic, RECENT))
            swept.rows += await self._gently(
                lambda facts=facts, before=before: self._fold(facts, to.get(facts.stage, set()), before)  # type: ignore[misc]
            )
        if swept.blocks or swept.rows:
            self._observe(Swept(swept.blocks, swept.rows, time.monotonic() - begun))
        return swept

    async def give_back(self) -> None:
        """Lets another worker do it at once."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            with contextlib.suppress(StoreAway, StoreUncertain):
                await self._log.renew({lease: "stopped"}, 0)

    async def _retain(self, one: Due) -> int:
        return await self._log.retain(one.topic, one.before, one.offsets, BLOCKS, one.overrun)

    async def _fold(self, facts: PartitionFacts, to: set[str], before: float) -> int:
        outputs = to | facts.totals.emitted.keys()
        return await self._log.fold(facts.stage, facts.partition, outputs, before, ROWS)

    async def _gently(self, step: Callable[[], Awaitable[int]]) -> int:
        count, renewed = 0, time.monotonic()
        while True:
            begun = time.monotonic()
            done = await step()
            count += done
            if not done:
                return count
            if self._lease is not None and time.monotonic() - renewed > EVERY / 2:
                await self._log.renew({self._lease: "running"}, 2 * EVERY)
                renewed = time.monotonic()
            # The disk is the others' for as long as this had it.
            await asyncio.sleep(time.monotonic() - begun)


def _outputs(survey: Survey) -> dict[str, set[str]]:
    return {stage.name: set(stage.to) for app in survey.apps for stage in app.stages}
