"""Gates: who of a worker's sources and stages may go on, and who waits as those behind have too much to do.

Bounds hold across processes, as what is outstanding is read from the store. A gate closes at the bound and opens
when a quarter less is outstanding. Within a loop of topics bounds hold nobody: of two stages that fill each other's
topic none could go on. So who waits always waits for somebody further down, and the last one waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from onward.bound import Left
from onward.errors import StoreAway, StoreUncertain
from onward.events import Waits
from onward.log import AppSpec, Books
from onward.source import Source
from onward.stage import Stage
from onward.survey import Backlog
from onward.topic import Topic

if TYPE_CHECKING:
    from onward.worker import Worker

LOOK = 1.0
"""Seconds between looks where no bound needs one after every change."""

QUICK = 0.01
"""Seconds between looks while somebody waits and something moves."""

SAY = 60.0
"""Seconds for which it is not told again that one waits."""


class Gate(Struct):
    """Of one bounded topic: what its slowest stage has outstanding, and whether those before it wait."""

    records: int = 0
    bytes: int = 0
    stage: str = ""
    closed: bool = False


class Gates:
    """Of one worker; `parts` are the sources and stages that it runs."""

    def __init__(self, worker: Worker, books: Books, parts: Mapping[str, Source | Stage], specs: Sequence[AppSpec]):
        self._worker = worker
        self._books = books
        self._parts = dict(parts)
        self._specs = list(specs)
        self._known: Sequence[AppSpec] = ()
        self._arrows = arrows(self._specs)
        self._aside = aside(self._specs)
        self._loops: dict[tuple[str, str], bool] = {}
        self._bounded = {topic.name: topic for part in parts.values() for topic in part.to if topic.bound is not None}
        self._gates = {name: Gate() for name in self._bounded}
        self._spent: dict[str, Left] = {}
        self._tripped: frozenset[str] = frozenset()
        self._looked = float("-inf")
        self._refused: set[str] = set()
        self._soon = asyncio.Event()
        self._told: dict[str, str] = {}
        self._said: dict[str, float] = {}

    # what others ask

    def bounded(self, part: Source | Stage) -> bool:
        """Whether a bound may ever hold it up."""
        return any(topic.name in self._gates for topic in part.to)

    def left(self, part: Source | Stage) -> Left:
        """How much it may bring or emit before it waits."""
        found = self._left(part)
        if found.nothing and part.name not in self._refused:
            self._refused.add(part.name)
            self._soon.set()
        return found

    def waits(self, part: Source | Stage) -> str:
        """What it waits for, as `status` shows it; empty while it may go on."""
        for topic in part.to:
            gate = self._gates.get(topic.name)
            if gate is not None and gate.closed and self._holds(topic, part):
                size = f"{gate.bytes} bytes" if topic.bound and topic.bound.in_bytes else f"{gate.records} records"
                return f"waiting: {gate.stage} has {size} of {topic.name} outstanding, its bound= is {topic.bound}"
        return ""

    def slowed_by(self, source: Source) -> str:
        """A stage behind a source that has tripped, however many steps behind; empty if there is none."""
        behind = self._behind(topic.name for topic in source.to)
        stages = {stage for topic in behind for stage, _ in self._arrows.get(topic, ())} - self._aside
        return min(filter(self._is_down, stages), default="")

    def spent(self, topic: str, records: int, size: int) -> None:
        """What was just committed into a topic, and no look at the store has seen yet."""
        if topic in self._gates:
            self._spent[topic] = self._spent.get(topic, Left(0, 0)).less(-records, -size)

    def progressed(self, topic: str) -> None:
        """A stage here has done something of a topic."""
        if self._refused and topic in self._gates:
            self._soon.set()

    # looking

    async def run(self) -> None:
        """While somebody here waits, looks whether he may go on; until it is cancelled."""
        wait = QUICK
        while True:
            if not self._refused:
                await self._soon.wait()
            self._soon.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._soon.wait()
            before = self._facts()
            try:
                await self.look()
            except (StoreAway, StoreUncertain) as error:
                self._worker.store_away(error, LOOK)
                await asyncio.sleep(LOOK)
            wait = QUICK if self._facts() != before else min(2 * wait, LOOK / 4)

    async def look(self) -> None:
        """Looks at what is outstanding, where that is of interest; where there are no bounds, now and then."""
        if not self._asks() or not (self._gates or (not self._worker.once and time.monotonic() - self._looked >= LOOK)):
            return
        self._looked = time.monotonic()
        before, self._spent = self._spent, {}
        try:
            apps, backlogs = await self._books.backlogs(self._asks())
        except BaseException:
            for topic, spent in before.items():
                self.spent(topic, int(spent.records), int(spent.bytes))
            raise
        self._know(apps)
        self._see(backlogs)

    def _asks(self) -> list[str]:
        sources = (topic.name for part in self._parts.values() if isinstance(part, Source) for topic in part.to)
        return sorted({*self._gates, *self._behind(sources)})

    def _know(self, apps: Sequence[AppSpec]) -> None:
        if self._known != apps:
            self._known = apps
            self._arrows = arrows([*self._specs, *apps])
            self._aside = aside([*self._specs, *apps])
            self._loops.clear()

    def _see(self, backlogs: Sequence[Backlog]) -> None:
        declared = {stage for goes in self._arrows.values() for stage, _ in goes}
        self._tripped = frozenset(
            backlog.stage
            for backlog in backlogs
            if any(held.live and held.state.startswith("tripped:") for held in backlog.holders)
        )
        for name, topic in self._bounded.items():
            bound, gate = topic.bound, self._gates[name]
            assert bound is not None
            those = [one for one in backlogs if one.topic == name and one.stage in declared]
            worst = max(those, key=lambda one: one.bytes if bound.in_bytes else one.records, default=None)
            gate.records, gate.bytes, gate.stage = (worst.records, worst.bytes, worst.stage) if worst else (0, 0, "")
            if gate.closed:
                gate.closed = not bound.eased(gate.records, gate.bytes)
            else:
                gate.closed = bound.left(gate.records, gate.bytes).nothing
        self._tell()

    def _tell(self) -> None:
        """Says who waits now and did not before, and wakes those who were refused and may go on."""
        told = {name: why for name, part in self._parts.items() if (why := self.waits(part) or self._slowed(part))}
        if told.keys() != self._told.keys():
            for name in told.keys() - self._told.keys():
                if time.monotonic() - self._said.get(name, float("-inf")) >= SAY:
                    self._said[name] = time.monotonic()
                    self._worker.observe(Waits(name, told[name]))
            self._worker.leases.note()
        self._told = told
        free = {name for name in self._refused if not self._left(self._parts[name]).nothing}
        self._refused -= free
        self._worker.roster.wake(free)

    def _left(self, part: Source | Stage) -> Left:
        found = Left()
        for topic in part.to:
            if topic.name in self._gates and self._holds(topic, part):
                found = found.least(self._left_of(topic))
        return found

    def _facts(self) -> list[tuple[int, int, bool]]:
        return [(gate.records, gate.bytes, gate.closed) for gate in self._gates.values()]

    def _slowed(self, part: Source | Stage) -> str:
        by = self.slowed_by(part) if isinstance(part, Source) else ""
        return f"slowed: {by} has tripped" if by else ""

    def _is_down(self, stage: str) -> bool:
        return stage in self._tripped or stage in self._worker.roster.tripped

    def _left_of(self, topic: Topic[object]) -> Left:
        gate = self._gates[topic.name]
        if gate.closed or topic.bound is None:
            return Left(0, 0)
        spent = self._spent.get(topic.name, Left(0, 0))
        records, size = self._worker.roster.in_hand(topic.name)
        return topic.bound.left(gate.records, gate.bytes).less(spent.records + records, spent.bytes + size)

    def _holds(self, topic: Topic[object], part: Source | Stage) -> bool:
        """Whether the bound of the topic is for this part: not if the topic leads back to it."""
        if isinstance(part, Source):
            return True
        known = self._loops.get((topic.name, part.name))
        if known is None:
            known = self._loops[topic.name, part.name] = part.topic.name in self._behind([topic.name])
        return not known

    def _behind(self, topics: Iterable[str]) -> set[str]:
        """These topics, and all that records of theirs may come to."""
        found: set[str] = set()
        left = list(topics)
        while left:
            if (topic := left.pop()) not in found:
                found.add(topic)
                left += [to for _, goes in self._arrows.get(topic, ()) for to in goes]
        return found


def arrows(apps: Iterable[AppSpec]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """By topic the stages that read it, each with the topics that it emits to."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for app in apps:
        for stage in app.stages:
            found.setdefault(stage.topic, []).append((stage.name, stage.to))
    return found


def aside(apps: Iterable[AppSpec]) -> frozenset[str]:
    """The stages whose outages are nobody's before them."""
    return frozenset(stage.name for app in apps for stage in app.stages if not stage.slows)
