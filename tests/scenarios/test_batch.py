"""A handler takes many records at once.

Given stages with `batch=`;
when one record of a batch is bad, when a batch acts outside, when a list of results holds outcomes;
then a batch that can be taken back is halved until the bad record is alone, with no effect left of the tries; one
that acts outside is retried whole, with the same ids and at most one record per key; each item of a list counts for
its own record, and a list of another length for none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from onward import App, Database, Drop, Hold, Later, Record, Reject, Retry
from scenarios.ground import Ground, sql
from scenarios.numbered import outputs, per_key, records


def program(handler: Any, **options: Any) -> App:
    app = App("many")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    app.stage(source, to=out, name="work", **options)(handler)
    return app


@pytest.mark.parametrize("bad", [{0}, {31}, {15, 16}, {5, 15, 25}], ids=str)
@pytest.mark.parametrize("batch", [2, 7, 32])
def test_it_is_halved_until_the_bad_record_is_alone(ground: Ground, bad: set[int], batch: int) -> None:
    sizes: dict[int, list[int]] = {}

    def work(values: list[dict]) -> list[dict]:
        for value in values:
            sizes.setdefault(value["n"], []).append(len(values))
            value["changed"] = value.get("changed", 0) + 1
        if bad & {value["n"] for value in values}:
            raise ValueError("bad")
        return values

    app = program(work, batch=batch, retry=Retry(attempts=2))
    ground.put(app, app.topics["many.in"], *records(32))
    report = ground.run(app)
    first = {n % 10: min(b for b in bad if b % 10 == n % 10) for n in bad}
    assert report.died == len(first)
    assert outputs(ground, app) == per_key(n for n in range(32) if n % 10 not in first or n < first[n % 10])
    assert all(1 in sizes[n] for n in first.values())
    assert {value["changed"] for value in ground.values(app.topics["many.out"])} == {1}
    ground.recount()
    bad.clear()
    for _ in range(4):
        ground.ask("many.work", "retry")
        ground.run(app)
    assert outputs(ground, app) == per_key(range(32))
    ground.recount(empty=True)


def test_within_a_database_halving_leaves_no_effect(ground: Ground) -> None:
    bad = {9, 21}

    def work(values: list[dict], tx: apsw.Connection) -> list[dict]:
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER)")
        for value in values:
            tx.execute("INSERT INTO effect VALUES (?)", (value["n"],))
        if bad & {value["n"] for value in values}:
            raise ValueError("bad")
        return values

    app = program(work, batch=16, retry=Retry(attempts=2), within=Database(f"sqlite:///{ground.folder}/target.db"))
    ground.put(app, app.topics["many.in"], *records(40))
    ground.run(app)
    expected = [n for n in range(40) if not (n % 10 == 9 or (n % 10 == 1 and n >= 21))]
    assert sorted(n for (n,) in sql(ground.folder / "target.db", "SELECT n FROM effect")) == expected
    ground.recount()
    bad.clear()
    ground.ask("many.work", "retry")
    ground.run(app)
    found = [n for (n,) in sql(ground.folder / "target.db", "SELECT n FROM effect ORDER BY rowid")]
    assert per_key(found) == per_key(range(40)) == outputs(ground, app)
    ground.recount(empty=True)


def test_with_effects_it_is_retried_whole_with_the_same_ids(ground: Ground) -> None:
    calls: list[list[tuple[str | None, str, int]]] = []
    failing = {"left": 3}

    def work(batch: list[Record[dict]]) -> None:
        calls.append([(record.key, record.id, record.attempt) for record in batch])
        if any(record.value["n"] == 4 for record in batch) and failing["left"]:
            failing["left"] -= 1
            raise ConnectionError("away")

    app = App("many")
    source = app.topic("in", dict, key="key")
    app.stage(source, batch=6, name="work")(work)
    ground.put(app, source, *records(40))
    assert not ground.run(app).failed
    failed = [call for call in calls if any(entry[1] == calls[0][4][1] for entry in call)]
    assert len(failed) == 4
    assert [[entry[:2] for entry in call] for call in failed] == [[entry[:2] for entry in failed[0]]] * 4
    assert [call[0][2] for call in failed] == [1, 2, 3, 4]
    assert all(len({key for key, _, _ in call}) == len(call) for call in calls)
    ids = [entry[1] for call in calls for entry in call if entry[2] == 1]
    assert len(set(ids)) == 40
    ground.recount(empty=True)


def test_with_effects_order_per_key_over_batches(ground: Ground) -> None:
    sent: list[int] = []
    fails = {7: 2, 18: 1, 33: 3}

    def work(values: list[dict]) -> None:
        for value in values:
            if fails.get(value["n"], 0):
                fails[value["n"]] -= 1
                raise ConnectionError("away")
        sent.extend(value["n"] for value in values)

    app = App("many")
    source = app.topic("in", dict, key="key")
    app.stage(source, batch=4, parallel=3, name="work")(work)
    ground.put(app, source, *records(60))
    assert not ground.run(app).failed
    assert per_key(sent) == per_key(range(60))
    ground.recount(empty=True)


def test_each_item_of_a_list_counts_for_its_record(ground: Ground) -> None:
    said: dict[int, Any] = {
        3: Drop("no need"),
        4: Later("1m"),
        5: Hold("look"),
        6: Reject("no"),
        7: None,
        8: [{"key": "k8", "n": 8}, {"key": "k8", "n": 1008}],
    }

    def work(values: list[dict]) -> list[Any]:
        return [said.get(value["n"], value) for value in values]

    app = program(work, batch=10)
    ground.put(app, app.topics["many.in"], *records(30))
    report = ground.run(app, patience=0.0)
    assert report.died == 1
    assert ground.states() == {"retrying": 1, "waiting": 1, "dead": 1, "behind": 6}
    found = outputs(ground, app)
    assert found["k8"] == [8, 1008, 18, 28]
    assert (found["k3"], found["k7"]) == ([13, 23], [17, 27])
    assert not {"k4", "k5", "k6"} & set(found)
    ground.recount()
    said.clear()
    ground.ask("many.work", "retry")
    ground.run(app)
    assert {key: ns for key, ns in outputs(ground, app).items() if key in ("k4", "k5", "k6")} == {
        key: ns for key, ns in per_key(range(30)).items() if key in ("k4", "k5", "k6")
    }
    ground.recount(empty=True)


@pytest.mark.parametrize("given", [lambda v: v[:-1], lambda v: [*v, v[0]], lambda v: {"n": 1}, lambda v: "text"])
def test_what_is_no_list_of_that_length_fails(ground: Ground, given: Any) -> None:
    broken = {"on": True}

    def work(values: list[dict]) -> Any:
        return given(values) if broken["on"] and len(values) > 1 else values

    app = program(work, batch=10, retry=Retry(attempts=1))
    ground.put(app, app.topics["many.in"], *records(30))
    report = ground.run(app)
    assert report.died == 0
    assert outputs(ground, app) == per_key(range(30)), "each passes alone"
    ground.recount(empty=True)


def test_yielded_values_belong_to_the_whole_batch(ground: Ground) -> None:
    def work(values: list[dict]) -> Iterator[dict]:
        yield {"key": "sum", "n": sum(value["n"] for value in values)}
        if any(value["n"] == 17 for value in values) and len(values) > 1:
            raise ValueError("after it has yielded")

    app = program(work, batch=10)
    ground.put(app, app.topics["many.in"], *records(40))
    assert not ground.run(app).failed
    assert sum(value["n"] for value in ground.values(app.topics["many.out"])) == sum(range(40))
    origins = [o for (o,) in ground.sql("SELECT origin FROM record WHERE topic = 'many.out'")]
    assert "many.in:0:0-9" in origins
    ground.recount(empty=True)
