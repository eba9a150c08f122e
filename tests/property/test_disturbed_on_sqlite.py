"""Random pipelines on a store file, disturbed in every way that leaves the process alive, end as if undisturbed.

Given one to three stages of random kinds (emitting, batches, with effects, async, within a target) over topics of
      random partitions, and for each record and stage how its first calls go wrong
when  workers are stopped, lose their leases with work in hand, find them taken, and others take over, while more
      records come in, somebody asks for retries, and in the end what was wrong is mended
then  at every stage and key each record has come through once and in order, the target holds one row for each, and
      after every life the recount is clean.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from onward import App, Database, Drop, Hold, Later, Record, Reject, Retry
from onward.errors import LeaseLost
from onward.events import Committed, Event
from onward.plan import Plan
from onward.worker import Worker
from scenarios.ground import Ground, sql

WRONG = ("fails", "fails", "later", "holds", "rejects", "large", "class", "half")
"""How a call goes wrong; `half` is after its effect or its first output."""


class Kind(Struct):
    """What a stage is like."""

    form: str
    parallel: int
    batch: int | None
    partitions: int
    attempts: int
    parked_most: int
    chance: float


kinds = st.builds(
    Kind,
    form=st.sampled_from(["plain", "yields", "async", "effect", "within"]),
    parallel=st.integers(1, 4),
    batch=st.none() | st.integers(1, 6),
    partitions=st.integers(1, 3),
    attempts=st.integers(1, 3),
    parked_most=st.sampled_from([5, 100_000]),
    chance=st.sampled_from([0.0, 1.0]),
)


class Item(Struct):
    key: str | None
    n: int


class Pipeline:
    """The app; `mended` ends all that goes wrong."""

    def __init__(self, folder: Path, stages: Sequence[Kind], wrongs: Sequence[dict[int, list[str]]]) -> None:
        self.mended = False
        self.target = folder / "target.db"
        self._wrongs = [{n: list(script) for n, script in wrong.items()} for wrong in wrongs]
        self.app = App("rand")
        self.topics = [
            self.app.topic(f"t{i}", Item, key="key", partitions=kind.partitions, max_record="2KB")
            for i, kind in enumerate([*stages, stages[0]])
        ]
        self.chance = itertools.cycle([kind.chance for kind in stages])
        for number, kind in enumerate(stages):
            self._stage(number, kind)
        self.app.check()

    def _say(self, stage: int, item: Item, approved: bool) -> Any:
        """The next verdict on a record: what its script says, and in the end the record itself."""
        script = self._wrongs[stage].get(item.n)
        if item.n % 11 == 5 and stage == 0:
            return Drop("not wanted")
        if not script or self.mended:
            return item
        match script[0] if script[0] != "holds" or not approved else "passes":
            case "holds":
                return Hold("look")
            case "later":
                script.pop(0)
                return Later("30s")
        wrong = script.pop(0)
        if wrong in ("fails", "half"):
            raise ValueError(wrong)
        said = {"rejects": Reject("no"), "large": Item("x" * 3_000, item.n), "class": "of the wrong class"}
        return said.get(wrong, item)

    def _stage(self, number: int, kind: Kind) -> None:
        def one(record: Record[Item], approved: bool) -> Any:
            return self._say(number, record.value, approved)

        def many(records: list[Record[Item]], approved: bool) -> Any:
            return [self._say(number, record.value, approved) for record in records]

        async def one_async(record: Record[Item], approved: bool) -> Any:
            await asyncio.sleep(0)
            return one(record, approved)

        async def many_async(records: list[Record[Item]], approved: bool) -> Any:
            await asyncio.sleep(0)
            return many(records, approved)

        def yields(record: Record[Item], approved: bool) -> Any:
            said = one(record, approved)
            if isinstance(said, Later | Hold | Reject):
                yield record.value
            yield said

        def write(record: Record[Item], tx: apsw.Connection) -> None:
            tx.execute("CREATE TABLE IF NOT EXISTS effect (stage INTEGER, key TEXT, n INTEGER)")
            tx.execute("INSERT INTO effect VALUES (?, ?, ?)", (number, record.key, record.value.n))

        def one_within(record: Record[Item], approved: bool, tx: apsw.Connection) -> Any:
            write(record, tx)
            return one(record, approved)

        def many_within(records: list[Record[Item]], approved: bool, tx: apsw.Connection) -> Any:
            for record in records:
                write(record, tx)
            return many(records, approved)

        forms: dict[str, tuple[Any, Any]] = {
            "plain": (one, many),
            "yields": (yields, many),
            "async": (one_async, many_async),
            "effect": (one, many),
            "within": (one_within, many_within),
        }
        self.app.stage(
            self.topics[number],
            to=self.topics[number + 1],
            name=f"s{number}",
            retry=Retry(attempts=kind.attempts, first="1s", most="2s"),
            batch=kind.batch,
            parallel=kind.parallel,
            parked_most=kind.parked_most * kind.partitions,
            effect=kind.form == "effect" or None,
            within=Database(f"sqlite:///{self.target}") if kind.form == "within" else None,
        )(forms[kind.form][1 if kind.batch else 0])


async def life(ground: Ground, pipeline: Pipeline, commits: int, how: str) -> None:
    """One worker, until it is done or disturbed after so many commits."""
    seen = 0

    def disturb(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, Committed)
        if seen == commits and isinstance(event, Committed):
            if how == "stolen":
                # As if another had taken every lease, and left at once.
                ground.sql("UPDATE lease SET token = token + 1, until = ''")
                return
            if how == "lost":
                for lane in list(worker.roster.lanes.values()):
                    lane.give_up()
            worker.stop()

    chance = {"chance": lambda: next(pipeline.chance)}
    async with ground.open(pipeline.app, plan=Plan(once=True, patience=3600.0), **chance) as worker:
        worker._observers._observers = (disturb,)  # type: ignore[attr-defined]
        report = await asyncio.wait_for(worker.run(), 60)
    assert not [trouble for trouble in report.troubles if LeaseLost.__name__ not in trouble], report.troubles
    assert isinstance(worker, Worker)
    if how == "lost":
        ground.sql("UPDATE lease SET until = ''")


def per_key(items: Sequence[tuple[str | None, int]]) -> dict[str | None, list[int]]:
    found: dict[str | None, list[int]] = {}
    for key, n in items:
        found.setdefault(key, []).append(n)
    return {key: sorted(ns) if key is None else ns for key, ns in found.items()}


@settings(
    max_examples=int(os.environ.get("ONWARD_EXAMPLES", "40")),
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_disturbed_it_ends_as_if_undisturbed(data: st.DataObject) -> None:
    stages = data.draw(st.lists(kinds, min_size=1, max_size=3), "stages")
    keys = data.draw(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=50), "keys")
    wrongs = [
        data.draw(
            st.dictionaries(st.integers(0, len(keys) - 1), st.lists(st.sampled_from(WRONG), min_size=1, max_size=5)),
            f"wrongs {number}",
        )
        for number in range(len(stages))
    ]
    lives = data.draw(
        st.lists(
            st.tuples(st.integers(1, 8), st.sampled_from(["stopped", "lost", "stolen"]), st.booleans()), max_size=4
        ),
        "lives",
    )
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        pipeline = Pipeline(ground.folder, stages, wrongs)
        items = [Item(key, n) for n, key in enumerate(keys)]
        part = len(items) // (len(lives) + 1) + 1
        for number, (commits, how, asks) in enumerate(lives):
            ground.put(pipeline.app, pipeline.topics[0], *items[number * part : (number + 1) * part])
            if asks:
                ask_for_all(ground, stages)
            asyncio.run(life(ground, pipeline, commits, how))
            ground.recount()
        ground.put(pipeline.app, pipeline.topics[0], *items[len(lives) * part :])
        asyncio.run(life(ground, pipeline, 0, "stopped"))
        ground.recount()
        pipeline.mended = True
        for _ in range(60):
            if not ground.states():
                break
            ask_for_all(ground, stages)
            asyncio.run(life(ground, pipeline, 0, "stopped"))
        ground.recount(empty=True)
        expected = per_key([(item.key, item.n) for item in items if item.n % 11 != 5])
        for number, topic in enumerate(pipeline.topics[1:]):
            assert per_key([(item.key, item.n) for item in ground.values(topic)]) == expected, f"after stage {number}"
            if stages[number].form == "within" and pipeline.target.exists():
                wanted = expected if number else per_key([(item.key, item.n) for item in items])
                assert effects(pipeline.target, number, dropped=number == 0) == wanted, f"effects of stage {number}"


def ask_for_all(ground: Ground, stages: Sequence[Kind]) -> None:
    for number, kind in enumerate(stages):
        for partition in range(kind.partitions):
            ground.ask(f"rand.s{number}", "retry", partition)


def effects(path: Path, stage: int, *, dropped: bool) -> dict[str | None, list[int]]:
    """What the target holds of a stage; a dropped record is done, and its effect is kept."""
    assert isinstance(dropped, bool)
    return per_key(sql(path, "SELECT key, n FROM effect WHERE stage = :stage ORDER BY rowid", stage=stage))
