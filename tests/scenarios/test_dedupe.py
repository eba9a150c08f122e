"""Repeats are dropped.

Given a stage with `dedupe=Window(by, length)`;
when a value comes again: at once, in one unit, after a restart, while the first is parked, after the length is over;
then the first one counts, whatever became of it, and later ones are done and counted as dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward import App, Database, Reject, Retry, Window
from onward.testing import TestRun
from scenarios.ground import Ground, sql


def program(handler: Any, *, by: Any = "id", length: str = "24h", partitions: int = 1, **options: Any) -> App:
    app = App("once")
    source, out = app.topic("in", dict, key="key", partitions=partitions), app.topic("out", dict, key="key")
    window = Window(by, length, most=options.pop("most", 1_000))
    options.setdefault("to", out)
    app.stage(source, name="work", dedupe=window, **options)(handler)
    return app


def order(id_: Any, key: str = "k", n: int = 0) -> dict:
    return {"id": id_, "key": key, "n": n}


def given_out(ground: Ground, app: App) -> list[Any]:
    return [value["id"] for value in ground.values(app.topics["once.out"])]


def totals(ground: Ground) -> tuple[int, int]:
    (facts,) = ground.books(lambda books: books.survey()).stages
    return facts.totals.done, facts.totals.dropped


@pytest.mark.parametrize("options", [{}, {"batch": 3}, {"parallel": 4}, {"batch": 2, "effect": True}], ids=str)
def test_the_first_counts_and_repeats_are_dropped(ground: Ground, options: dict[str, Any]) -> None:
    def one(value: dict) -> dict:
        return value

    def many(values: list[dict]) -> list[dict]:
        return values

    app = program(many if "batch" in options else one, **options)
    ids = [1, 2, 1, 3, 2, 1, None, None, 4]
    ground.put(app, app.topics["once.in"], *(order(id_, f"k{id_}") for id_ in ids))
    ground.run(app)
    assert Counter(given_out(ground, app)) == Counter([1, 2, 3, None, None, 4])
    assert totals(ground) == (9, 3)
    ground.recount(empty=True)


def test_it_is_remembered_from_run_to_run(ground: Ground) -> None:
    app = program(lambda value: value, by=lambda value: (value["id"], value["key"]))
    for _ in range(2):
        ground.put(app, app.topics["once.in"], order(1), order(1, "other"), order("long" * 50))
        ground.run(app)
    assert given_out(ground, app) == [1, 1, "long" * 50]
    assert totals(ground) == (6, 3)
    ground.recount(empty=True)


def test_it_is_forgotten_when_the_length_is_over(ground: Ground) -> None:
    app = program(lambda value: value, length="1h")
    for hours in (0.0, 0.5, 0.6, 1.0):
        ground.clock.advance(hours * 3600)
        ground.put(app, app.topics["once.in"], order(1))
        ground.run(app)
    assert given_out(ground, app) == [1, 1]
    ground.clock.advance(7200)
    ground.put(app, app.topics["once.in"], order(2))
    ground.run(app)
    assert ground.sql("SELECT mark FROM seen") == [("2",)]


def test_no_more_is_remembered_than_was_said(ground: Ground) -> None:
    app = program(lambda value: value, most=10)
    for begin in range(0, 500, 50):
        ground.put(app, app.topics["once.in"], *(order(id_) for id_ in range(begin, begin + 50)))
        ground.run(app)
    ((count,),) = ground.sql("SELECT count(*) FROM seen")
    assert count <= 60


def test_a_repeat_of_what_is_tried_again_is_dropped(ground: Ground) -> None:
    calls: list[tuple[Any, int]] = []

    def work(value: dict) -> dict:
        calls.append((value["id"], value["n"]))
        if len(calls) == 1:
            raise ValueError
        return value

    app = program(work)
    topic = app.topics["once.in"]
    ground.put(app, topic, order(1, n=1), order(1, n=2), order(1, "other", n=3), order(2, n=4))
    ground.run(app)
    assert sorted(calls) == [(1, 1), (1, 1), (2, 4)]
    assert totals(ground) == (4, 2)
    ground.recount(empty=True)


def test_a_repeat_of_what_is_dead_is_dropped_and_the_dead_one_is_kept(ground: Ground) -> None:
    wanted = False

    def work(value: dict) -> Any:
        return value if wanted else Reject("no")

    app = program(work)
    ground.put(app, app.topics["once.in"], order(1, n=1), order(1, "other", n=2))
    ground.run(app)
    assert ground.states() == {"dead": 1} and totals(ground) == (1, 1)
    wanted = True
    ground.ask("once.work", "retry")
    ground.run(app)
    assert given_out(ground, app) == [1]
    ground.recount(empty=True)


def test_what_was_not_called_is_no_first_one(ground: Ground) -> None:
    from onward import Unavailable

    away = True

    def work(value: dict) -> dict:
        if away:
            raise Unavailable("away")
        return value

    app = program(work)
    ground.put(app, app.topics["once.in"], order(1), order(2), order(1))
    ground.run(app, patience=0.0)
    away = False
    ground.run(app)
    assert given_out(ground, app) == [1, 2]
    ground.recount(empty=True)


def test_within_a_database(ground: Ground) -> None:
    target = ground.folder / "target.db"

    def work(value: dict, tx: Any) -> None:
        tx.execute("INSERT INTO got VALUES (?)", [value["id"]])

    app = program(work, within=Database(f"sqlite:///{target}"), to=())
    sql(target, "CREATE TABLE got (id)")
    for _ in range(2):
        ground.put(app, app.topics["once.in"], order(1), order(2), order(1, "other"))
        ground.run(app)
    assert sql(target, "SELECT id FROM got") == [(1,), (2,)]
    assert totals(ground) == (6, 4)
    ground.recount(empty=True)


def test_a_value_of_which_nothing_can_be_told_is_dead(ground: Ground) -> None:
    app = program(lambda value: value, retry=Retry(attempts=3))
    ground.put(app, app.topics["once.in"], {"key": "a"}, order(1))
    ground.run(app)
    (dead,) = ground.parked()
    assert dead.state == "dead" and "dedupe= cannot tell whether it is a repeat: KeyError" in dead.error
    assert given_out(ground, app) == [1]


def test_in_a_test_run() -> None:
    app = program(lambda value: value, length="1h")
    with TestRun(app) as run:
        for _ in range(2):
            run.put(app.topics["once.in"], order(1))
            run.until_idle()
        run.clock.advance("2h")
        run.put(app.topics["once.in"], order(1))
        run.until_idle()
        assert len(run.values(app.topics["once.out"])) == 2


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=40),
    st.sampled_from([{}, {"parallel": 3}, {"unordered": True, "parallel": 3}]),
    st.sets(st.integers(0, 40)),
)
def test_each_is_given_out_once_whatever_fails(
    records: list[tuple[int, str]], options: dict[str, Any], fail: set[int]
) -> None:
    failed: set[int] = set()

    async def work(value: dict) -> dict:
        await asyncio.sleep(0)
        if value["n"] in fail and value["n"] not in failed:
            failed.add(value["n"])
            raise ValueError
        return value

    app = program(work, **options)
    with TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        ground.put(app, app.topics["once.in"], *(order(id_, key, n) for n, (id_, key) in enumerate(records)))
        ground.run(app)
        ground.run(app)
        assert sorted(given_out(ground, app)) == sorted({id_ for id_, _ in records})
        ground.recount(empty=True)
