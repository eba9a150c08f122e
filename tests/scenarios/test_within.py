"""A stage commits within another database.

Given a stage whose effect is a row for each record in a SQLite file of its own;
when records fail, workers end at any step, and files are lost or restored;
then the rows are what each record's one success has written, and a file that went back is noticed before anything
is continued on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from onward import App, Database, Hold, Later, Reject, Retry
from scenarios.ground import Ground, sql


class Bad(set[int]):
    """Which numbers fail; mended by emptying it."""


def program(folder: Path, bad: Bad, act: Callable[[dict, Any], Any] | None = None, **options: Any) -> App:
    app = App("ship")
    source = app.topic("in", dict, key="key")
    out = app.topic("out", dict, key="key")
    target = f"sqlite:///{folder}/target.db"

    @app.stage(source, to=out, within=Database(target), **options)
    def load(value: dict, tx: apsw.Connection) -> Any:
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER, key TEXT)")
        tx.execute("INSERT INTO effect VALUES (?, ?)", (value["n"], value["key"]))
        if value["n"] in bad:
            raise ValueError(f"{value['n']} is bad")
        return value if act is None else act(value, tx)

    return app


def effects(ground: Ground) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for n, key in sql(ground.folder / "target.db", "SELECT n, key FROM effect ORDER BY rowid"):
        found.setdefault(key, []).append(n)
    return found


def records(count: int, keys: int = 10, start: int = 0) -> list[dict]:
    return [{"key": f"k{n % keys}", "n": n} for n in range(start, start + count)]


def outputs(ground: Ground, app: App) -> dict[str | None, list[int]]:
    return {key: [v["n"] for v in values] for key, values in ground.by_key(app.topics["ship.out"]).items()}


def per_key(numbers: Any, keys: int = 10) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for n in numbers:
        found.setdefault(f"k{n % keys}", []).append(n)
    return found


def test_a_failing_record_takes_back_only_its_own_changes(ground: Ground) -> None:
    bad = Bad({13})
    app = program(ground.folder, bad)
    ground.put(app, app.topics["ship.in"], *records(100))
    report = ground.run(app)
    assert (report.died, report.troubles) == (1, [])
    expected = per_key(n for n in range(100) if n < 13 or n % 10 != 3)
    assert effects(ground) == outputs(ground, app) == expected
    ground.recount()


def test_started_again_while_a_key_is_parked(ground: Ground) -> None:
    """What queues behind a parked record moves the store's next, and the target's too."""
    bad = Bad({13})
    app = program(ground.folder, bad)
    ground.put(app, app.topics["ship.in"], *records(50))
    ground.run(app)
    for start in (50, 60):
        ground.put(app, app.topics["ship.in"], *(r for r in records(10, start=start) if r["key"] == "k3"))
        report = ground.run(app)
        assert report.troubles == []
        ground.recount()
    ground.put(app, app.topics["ship.in"], *records(10, start=70))
    bad.clear()
    ground.ask("ship.load", "retry")
    ground.run(app)
    report = ground.run(app)
    assert not report.failed
    expected = per_key(n for n in range(80) if not 50 <= n < 70 or n % 10 == 3)
    assert effects(ground) == outputs(ground, app) == expected
    ground.recount(empty=True)


def test_retried_by_hand_again_and_again(ground: Ground) -> None:
    """Each try by hand starts a fresh count of attempts; no success is taken for one that was kept before."""
    bad = Bad({3, 4})
    app = program(ground.folder, bad, retry=Retry(attempts=2))
    ground.put(app, app.topics["ship.in"], *records(40))
    ground.run(app)
    for mended in ([], [4], [3]):
        bad.difference_update(mended)
        ground.ask("ship.load", "retry")
        assert ground.run(app).troubles == []
        ground.recount()
    ground.run(app)
    assert effects(ground) == outputs(ground, app) == per_key(range(40))
    ground.recount(empty=True)


def test_later_again_and_again_beside_others(ground: Ground) -> None:
    """Records that wait without counting attempts, tried together with others that succeed one after another."""
    waits = {n: n + 2 for n in range(8)}

    def act(value: dict, tx: apsw.Connection) -> Any:
        n = value["n"]
        if waits.get(n, 0) > 0:
            waits[n] -= 1
            return Later("10s")
        return value

    app = program(ground.folder, Bad(), act)
    ground.put(app, app.topics["ship.in"], *records(40))
    report = ground.run(app)
    assert not report.failed
    assert effects(ground) == outputs(ground, app) == per_key(range(40))
    ground.recount(empty=True)


@pytest.mark.parametrize("outcome", [Hold("look"), Reject("no"), Later("1s")], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("batch", [None, 8])
def test_an_outcome_that_parks_takes_back_its_changes(ground: Ground, outcome: Any, batch: int | None) -> None:
    app = App("ship")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    done: set[int] = set()

    def one(value: dict, tx: apsw.Connection, approved: bool) -> Any:
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER, key TEXT)")
        tx.execute("INSERT INTO effect VALUES (?, ?)", (value["n"], value["key"]))
        if value["n"] == 13 and not approved and 13 not in done:
            return outcome
        return value

    def many(values: list[dict], tx: apsw.Connection, approved: bool) -> list:
        return [one(value, tx, approved) for value in values]

    within = Database(f"sqlite:///{ground.folder}/target.db")
    app.stage(source, to=out, name="load", within=within, batch=batch)(many if batch else one)
    ground.put(app, source, *records(100))
    ground.run(app, patience=0.0)
    assert effects(ground) == outputs(ground, app) == per_key(n for n in range(100) if n < 13 or n % 10 != 3)
    ground.recount()
    done.add(13)
    ground.ask("ship.load", "retry", key="k3")
    ground.run(app)
    assert effects(ground) == outputs(ground, app) == per_key(range(100))
    ground.recount(empty=True)


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN IMMEDIATE"])
def test_a_handler_that_ends_the_transaction_is_told_so(ground: Ground, statement: str) -> None:
    meddling = {"on": True}

    def act(value: dict, tx: apsw.Connection) -> Any:
        if meddling["on"] and value["n"] == 7:
            for part in statement.split("; "):
                tx.execute(part)
        return value

    app = program(ground.folder, Bad(), act)
    ground.put(app, app.topics["ship.in"], *records(20))
    report = ground.run(app)
    assert report.failed
    assert any("must not" in trouble for trouble in report.troubles), report
    meddling["on"] = False
    assert not ground.run(app).failed
    assert effects(ground) == outputs(ground, app) == per_key(range(20))
    ground.recount(empty=True)


def run_and_copy(ground: Ground, app: App) -> None:
    """Delivers, keeps copies of store and target, delivers more."""
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    for name in ("store.db", "target.db"):
        shutil.copy(ground.folder / name, ground.folder / f"old-{name}")
    ground.put(app, app.topics["ship.in"], *records(20, start=20))
    ground.run(app)
    ground.recount(empty=True)


def bring_back(ground: Ground, name: str) -> None:
    for old in ground.folder.glob(f"{name}*"):
        old.unlink()
    if (ground.folder / f"old-{name}").exists():
        shutil.copy(ground.folder / f"old-{name}", ground.folder / name)


def assert_noticed(ground: Ground, app: App) -> None:
    before = ground.values(app.topics["ship.out"])
    ground.put(app, app.topics["ship.in"], *records(10, start=90))
    report = ground.run(app)
    assert any("WentBack" in trouble for trouble in report.troubles), report
    assert ground.values(app.topics["ship.out"]) == before


@pytest.mark.parametrize("name", ["target.db", "store.db"])
def test_a_file_restored_from_an_old_copy_is_noticed(ground: Ground, name: str) -> None:
    app = program(ground.folder, Bad())
    run_and_copy(ground, app)
    bring_back(ground, name)
    assert_noticed(ground, app)


def test_a_target_that_was_deleted_is_noticed(ground: Ground) -> None:
    app = program(ground.folder, Bad())
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    bring_back(ground, "target.db")
    assert_noticed(ground, app)


@pytest.mark.parametrize("name", ["target.db", "store.db"])
def test_an_old_copy_that_differs_by_a_retry_only_is_noticed(ground: Ground, name: str) -> None:
    """Between copy and loss nothing new was read: one parked record was delivered, so `next` is the same."""
    bad = Bad({13})
    app = program(ground.folder, bad)
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    for file in ("store.db", "target.db"):
        shutil.copy(ground.folder / file, ground.folder / f"old-{file}")
    bad.clear()
    ground.ask("ship.load", "retry")
    ground.run(app)
    ground.run(app)
    assert effects(ground) == per_key(range(20))
    bring_back(ground, name)
    assert_noticed(ground, app)
