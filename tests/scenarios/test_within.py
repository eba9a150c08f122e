"""A stage commits within another database.

Given a stage whose effect is a row for each record in a database of its own;
when records fail, workers end at any step, and databases are lost or restored;
then the rows are what each record's one success has written, and a database that went back is noticed before anything
is continued on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from onward import App, Database, Hold, Later, Reject, Retry
from onward.log import Range, Replay
from scenarios.ground import Ground
from scenarios.numbered import outputs, per_key, records
from scenarios.targets import Place, restore


class Bad(set[int]):
    """Which numbers fail; mended by emptying it."""


def program(place: Place, bad: Bad, act: Callable[[dict, Any], Any] | None = None, **options: Any) -> App:
    app = App("ship")
    source = app.topic("in", dict, key="key")
    out = app.topic("out", dict, key="key")

    @app.stage(source, to=out, within=Database(place.url), **options)
    def load(value: dict, tx: Any) -> Any:
        write(place, tx, value)
        if value["n"] in bad:
            raise ValueError(f"{value['n']} is bad")
        return value if act is None else act(value, tx)

    return app


def write(place: Place, tx: Any, value: dict) -> None:
    tx.execute(place.effects)
    tx.execute(f"INSERT INTO effect (n, key) VALUES ({value['n']}, '{value['key']}')")


def effects(place: Place) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for n, key in place.sql("SELECT n, key FROM effect ORDER BY at"):
        found.setdefault(key, []).append(n)
    return found


def test_a_failing_record_takes_back_only_its_own_changes(ground: Ground, place: Place) -> None:
    bad = Bad({13})
    app = program(place, bad)
    ground.put(app, app.topics["ship.in"], *records(100))
    report = ground.run(app)
    assert (report.died, report.troubles) == (1, [])
    expected = per_key(n for n in range(100) if n < 13 or n % 10 != 3)
    assert effects(place) == outputs(ground, app) == expected
    ground.recount()


def test_started_again_while_a_key_is_parked(ground: Ground, place: Place) -> None:
    """What queues behind a parked record moves the store's next, and the target's too."""
    bad = Bad({13})
    app = program(place, bad)
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
    assert effects(place) == outputs(ground, app) == expected
    ground.recount(empty=True)


def test_retried_by_hand_again_and_again(ground: Ground, place: Place) -> None:
    """Each try by hand starts a fresh count of attempts; no success is taken for one that was kept before."""
    bad = Bad({3, 4})
    app = program(place, bad, retry=Retry(attempts=2))
    ground.put(app, app.topics["ship.in"], *records(40))
    ground.run(app)
    for mended in ([], [4], [3]):
        bad.difference_update(mended)
        ground.ask("ship.load", "retry")
        assert ground.run(app).troubles == []
        ground.recount()
    ground.run(app)
    assert effects(place) == outputs(ground, app) == per_key(range(40))
    ground.recount(empty=True)


def test_later_again_and_again_beside_others(ground: Ground, place: Place) -> None:
    """Records that wait without counting attempts, tried together with others that succeed one after another."""
    waits = {n: n + 2 for n in range(8)}

    def act(value: dict, tx: Any) -> Any:
        n = value["n"]
        if waits.get(n, 0) > 0:
            waits[n] -= 1
            return Later("10s")
        return value

    app = program(place, Bad(), act)
    ground.put(app, app.topics["ship.in"], *records(40))
    report = ground.run(app)
    assert not report.failed
    assert effects(place) == outputs(ground, app) == per_key(range(40))
    ground.recount(empty=True)


@pytest.mark.parametrize("outcome", [Hold("look"), Reject("no"), Later("1s")], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("batch", [None, 8])
def test_an_outcome_that_parks_takes_back_its_changes(
    ground: Ground, place: Place, outcome: Any, batch: int | None
) -> None:
    app = App("ship")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    done: set[int] = set()

    def one(value: dict, tx: Any, approved: bool) -> Any:
        write(place, tx, value)
        if value["n"] == 13 and not approved and 13 not in done:
            return outcome
        return value

    def many(values: list[dict], tx: Any, approved: bool) -> list:
        return [one(value, tx, approved) for value in values]

    app.stage(source, to=out, name="load", within=Database(place.url), batch=batch)(many if batch else one)
    ground.put(app, source, *records(100))
    ground.run(app, patience=0.0)
    assert effects(place) == outputs(ground, app) == per_key(n for n in range(100) if n < 13 or n % 10 != 3)
    ground.recount()
    done.add(13)
    ground.ask("ship.load", "retry", key="k3")
    ground.run(app)
    assert effects(place) == outputs(ground, app) == per_key(range(100))
    ground.recount(empty=True)


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN"])
def test_a_handler_that_ends_the_transaction_is_told_so(ground: Ground, place: Place, statement: str) -> None:
    meddling = {"on": True}

    def act(value: dict, tx: Any) -> Any:
        if meddling["on"] and value["n"] == 7:
            for part in statement.split("; "):
                tx.execute(part)
        return value

    app = program(place, Bad(), act)
    ground.put(app, app.topics["ship.in"], *records(20))
    report = ground.run(app)
    assert report.failed
    assert any("must not" in trouble for trouble in report.troubles), report
    meddling["on"] = False
    assert not ground.run(app).failed
    assert effects(place) == outputs(ground, app) == per_key(range(20))
    ground.recount(empty=True)


def save(ground: Ground, place: Place) -> None:
    """Keeps copies of store and target."""
    shutil.copy(ground.path, ground.folder / f"old-{ground.path.name}")
    place.save()


def bring_back(ground: Ground, place: Place, what: str) -> None:
    if what == "target":
        place.bring_back()
    else:
        restore(ground.path)


def assert_noticed(ground: Ground, app: App) -> None:
    before = ground.values(app.topics["ship.out"])
    ground.put(app, app.topics["ship.in"], *records(10, start=90))
    report = ground.run(app)
    assert any("restore" in trouble for trouble in report.troubles), report
    assert ground.values(app.topics["ship.out"]) == before


@pytest.mark.parametrize("what", ["target", "store"])
def test_a_database_restored_from_an_old_copy_is_noticed(ground: Ground, place: Place, what: str) -> None:
    app = program(place, Bad())
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    save(ground, place)
    ground.put(app, app.topics["ship.in"], *records(20, start=20))
    ground.run(app)
    ground.recount(empty=True)
    bring_back(ground, place, what)
    assert_noticed(ground, app)


def test_a_target_that_was_deleted_is_noticed(ground: Ground, place: Place) -> None:
    app = program(place, Bad())
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    place.bring_back()
    assert_noticed(ground, app)


@pytest.mark.parametrize("what", ["target", "store"])
def test_an_old_copy_that_differs_by_a_retry_only_is_noticed(ground: Ground, place: Place, what: str) -> None:
    """Between copy and loss nothing new was read: one parked record was delivered, so `next` is the same."""
    bad = Bad({13})
    app = program(place, bad)
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    save(ground, place)
    bad.clear()
    ground.ask("ship.load", "retry")
    ground.run(app)
    ground.run(app)
    assert effects(place) == per_key(range(20))
    bring_back(ground, place, what)
    assert_noticed(ground, app)


def test_a_replay_has_a_place_of_its_own_there(ground: Ground, place: Place) -> None:
    app = program(place, Bad())
    ground.put(app, app.topics["ship.in"], *records(20))
    ground.run(app)
    number = ground.books(lambda books: books.replay(Replay(stage="ship.load", ranges=(Range(0, 5, 15),), by="tester")))
    assert not ground.run(app).failed
    twice = [*range(20), *range(5, 15)]
    assert effects(place) == outputs(ground, app) == per_key(twice)
    cursors = place.sql("SELECT stage, next FROM onward_cursor ORDER BY 1")
    assert cursors == [("ship.load", 20), (f"ship.load~{number}", 15)]
    ground.recount()
