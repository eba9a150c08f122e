"""Random programs, failures and restarts keep the promises.

Given one or two stages of random options, random records of a few keys, and for every record and stage a script of
      what its attempts come to
when  workers run them, are stopped or given up after random numbers of commits, and are followed by others
then  every record has come to what a plain loop in Python says, once, in order per key, and the audit is clean.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from onward import App, Drop, Later, Record, Reject, Retry
from onward.audit import breaches
from onward.clock import HandClock
from onward.codec import KEY, VALUE, Codec
from onward.declaration import spec_of
from onward.emit import Emitter
from onward.events import Committed, Event
from onward.log import Commit
from onward.logs.memory import MemoryLog
from onward.plan import Plan
from onward.record import Range
from onward.topic import Topic
from onward.trace import Journey, Step, Tracer
from onward.units import instant_text
from onward.window import chunk_of
from onward.worker import Worker

RETRY = Retry(attempts=3, first="1s", most="2s")
SCRIPTS = ("ok", "ok", "ok", "once", "twice", "dies", "rejected", "dropped", "later", "two")


class Item(Struct):
    key: str | None
    number: int
    path: tuple[int, ...] = ()


class Options(Struct):
    parallel: int
    batch: int | None
    unordered: bool
    dead_hold: bool
    is_async: bool
    yields: bool


class AutoClock(HandClock):
    """Moves on as soon as all waits for a time."""

    def idle(self, until: float) -> None:
        self.advance(max(0.0, until - self.now()))


options = st.builds(
    Options,
    parallel=st.integers(1, 4),
    batch=st.none() | st.integers(1, 7),
    unordered=st.booleans(),
    dead_hold=st.booleans(),
    is_async=st.booleans(),
    yields=st.booleans(),
)


class Program:
    """The app, its scripts, and what a plain loop makes of them."""

    def __init__(self, stages: Sequence[Options], partitions: int, scripts: Sequence[Sequence[str]]) -> None:
        self.stages = stages
        self.scripts = scripts
        self.waited: Counter[tuple[int, Any]] = Counter()
        self.app = App("random")
        self.topics: list[Topic[Item]] = [
            self.app.topic(f"topic{n}", Item, key="key", partitions=partitions if n == 0 else 1)
            for n in range(len(stages) + 1)
        ]
        for number, option in enumerate(stages):
            self._stage(number, option)
        self.app.check()

    def result(self, stage: int, item: Item, attempt: int) -> list[Item] | Drop | Later | Reject:
        """What one call comes to."""
        script = self.scripts[stage][item.number]
        if script == "rejected":
            return Reject("as written")
        if script == "dropped":
            return Drop("as written")
        if script == "later" and self.waited[stage, (item.number, item.path)] < 1:
            self.waited[stage, (item.number, item.path)] += 1
            return Later("5s")
        if script == "dies" or (script == "once" and attempt == 1) or (script == "twice" and attempt <= 2):
            raise ValueError("as written")
        copies = 2 if script == "two" else 1
        return [Item(item.key, item.number, (*item.path, copy)) for copy in range(copies)]

    def expected(self, items: Sequence[Item]) -> tuple[list[Item], list[int]]:
        """What ends in the last topic, and how many are left parked at each stage."""
        parked = []
        for stage, option in enumerate(self.stages):
            out: list[Item] = []
            stopped: set[str | None] = set()
            left = 0
            for item in items:
                if item.key in stopped:
                    left += 1
                    continue
                script = self.scripts[stage][item.number]
                if script in ("dies", "rejected"):
                    left += 1
                    if option.dead_hold and not option.unordered and item.key is not None:
                        stopped.add(item.key)
                elif script != "dropped":
                    made = self.result(stage, item, 3)
                    made = self.result(stage, item, 3) if isinstance(made, Later) else made
                    out += made if isinstance(made, list) else []
            items = out
            parked.append(left)
        self.waited.clear()
        return list(items), parked

    def _stage(self, number: int, option: Options) -> None:
        def one(record: Record[Item]) -> Any:
            return self.result(number, record.value, record.attempt)

        def many(records: list[Record[Item]]) -> list[Any]:
            return [one(record) for record in records]

        async def one_async(record: Record[Item]) -> Any:
            await asyncio.sleep(0)
            made = one(record)
            return made[0] if isinstance(made, list) and len(made) == 1 else made

        async def many_async(records: list[Record[Item]]) -> list[Any]:
            await asyncio.sleep(0)
            return many(records)

        def yielding(record: Record[Item]) -> Any:
            made = one(record)
            if isinstance(made, list):
                yield from made
            else:
                yield made

        if option.batch:
            function: Any = many_async if option.is_async else many
        else:
            function = one_async if option.is_async and not self._makes_two(number) else yielding
        self.app.stage(
            self.topics[number],
            to=self.topics[number + 1],
            name=f"stage{number}",
            retry=RETRY,
            batch=option.batch,
            parallel=option.parallel,
            unordered=option.unordered,
            on_dead="hold" if option.dead_hold else "pass",
        )(function)

    def _makes_two(self, number: int) -> bool:
        return "two" in self.scripts[number]


class Bench:
    """A store in memory that outlives its workers."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.clock = AutoClock()
        self.log = MemoryLog(clock=self.clock)
        self.codec = Codec(Item)

    async def put(self, items: Sequence[Item]) -> None:
        topic = self.program.topics[0]
        emitter = Emitter([topic], {topic.name: self.codec})
        records = [emitter.encoded(item, instant_text(self.clock.now())) for item in items]
        if records:
            await self.log.commit(Commit(appends=emitter.pack(records)))

    async def work(self, commits: int | None, *, abrupt: bool) -> None:
        """A worker's life: to the end, or until so many commits."""
        seen = 0

        def see(event: Event) -> None:
            nonlocal seen
            seen += isinstance(event, Committed)
            if commits is not None and seen == commits:
                if abrupt:
                    for lane in worker.roster.lanes.values():
                        lane.give_up()
                worker.stop()

        plan = Plan(once=True, patience=3600.0, retention=False)
        worker = Worker(
            [self.program.app], self.log, self.log, plan, clock=self.clock, chance=lambda: 0.5, observers=[see]
        )
        report = await asyncio.wait_for(worker.run(), 30)
        assert not report.troubles and not report.tripped, report
        if abrupt:
            self.clock.advance(11.0)  # its leases run out

    async def items(self, topic: Topic[Item]) -> list[Item]:
        found = []
        for partition in range(topic.partitions):
            end = (await self.log.news([topic.name], [])).ends.get((topic.name, partition), 0)
            offset = 0
            while offset < end:
                blocks = await self.log.read(topic.name, partition, offset, 1000, 1_000_000)
                found += [entry[VALUE] for entry in chunk_of(blocks, offset, (), self.codec).entries]
                offset = blocks[-1].offset + blocks[-1].count
        return found


def by_key(items: Sequence[Item]) -> dict[str | None, list[tuple[int, tuple[int, ...]]]]:
    found = defaultdict(list)
    for item in items:
        found[item.key].append((item.number, item.path))
    return found


async def traced(bench: Bench, program: Program) -> None:
    """Every record leads back to the one that it was made from, and that one on to it; by key each is found."""
    keys: set[str] = set()
    reached: dict[str, set[str]] = {}
    made: dict[str, set[str]] = {}
    tracer = Tracer(bench.log, await bench.log.survey(), {})
    for number, topic in enumerate(program.topics):
        for partition in range(topic.partitions):
            end = (await bench.log.news([topic.name], [])).ends[topic.name, partition]
            async for journey in tracer.of(Range(topic.name, partition, 0, end)):
                step = journey.at
                keys |= {step.key} - {None}
                if step.origin is not None:
                    assert str(journey.before[-1].place) == step.origin
                    made.setdefault(step.origin, set()).add(str(step.place))
                for passage in step.passages:
                    assert passage.state not in ("not given", "outstanding"), step
                    script = program.scripts[number][int(msgspec.json.decode(step.value)["number"])]
                    assert (passage.state == "dropped") == (script == "dropped" and passage.state != "behind"), step
                    reached.setdefault(str(step.place), set()).update(str(one.place) for one in passage.outputs)
    assert {place: found for place, found in reached.items() if found} == made
    for key in keys:
        places = {str(step.place) async for journey in tracer.of_key(key) for step in _all_of(journey)}
        assert {place for place in places if place in reached} == {
            place for place, of in [(place, key) for place in reached] if await _key_of(bench, place) == of
        }


def _all_of(journey: Journey) -> list[Step]:
    found, left = [], [journey.at]
    while left:
        found.append(left.pop())
        left += [output for passage in found[-1].passages for output in passage.outputs]
    return found


async def _key_of(bench: Bench, place: str) -> str | None:
    at = Range.parse(place)
    assert at is not None
    stored = await bench.log.stored(at.topic, at.partition, at.first)
    assert stored is not None
    return bench.codec.decode(stored.block.entries)[at.first - stored.block.offset][KEY]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_random_program_comes_to_what_a_loop_says(data: st.DataObject) -> None:
    stages = data.draw(st.lists(options, min_size=1, max_size=2))
    if stages[0].unordered and len(stages) > 1:
        stages[1].unordered = True  # or who waits behind whom there would follow from the order that the first gave
    keys = data.draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=40))
    scripts = [data.draw(st.lists(st.sampled_from(SCRIPTS), min_size=len(keys), max_size=len(keys))) for _ in stages]
    lives = data.draw(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=4))
    program = Program(stages, data.draw(st.integers(1, 3)), scripts)
    items = [Item(key, number) for number, key in enumerate(keys)]
    expected, parked = program.expected(items)

    async def scenario() -> None:
        bench = Bench(program)
        await bench.log.declare(spec_of(program.app))
        part = len(items) // (len(lives) + 1) + 1
        for number, (commits, abrupt) in enumerate(lives):
            await bench.put(items[number * part : (number + 1) * part])
            await bench.work(commits, abrupt=abrupt)
        await bench.put(items[len(lives) * part :])
        await bench.work(None, abrupt=False)
        found = await bench.items(program.topics[-1])
        ordered = not any(option.unordered for option in stages)
        got, wanted = by_key(found), by_key(expected)
        assert got.keys() == wanted.keys()
        for key in wanted:
            if key is None or not ordered:
                assert sorted(got[key]) == sorted(wanted[key]), key
            else:
                assert got[key] == wanted[key], key
        await traced(bench, program)
        survey, evidence, blocks = await bench.log.evidence()
        assert breaches(survey, evidence, blocks) == []
        for stage, left in enumerate(parked):
            name = f"random.stage{stage}"
            assert sum(len(rows.parked) for rows in evidence if rows.facts.stage == name) == left

    asyncio.run(scenario())
