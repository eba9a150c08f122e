"""One key fails among a thousand.

Given records of a thousand keys, of which one fails;
when a worker delivers them;
then later records of that key wait behind it in order, all others pass as if nothing had happened, and once it is
mended its records drain in order, before new ones; with `on_dead="pass"` they go on without the dead one.
"""

from __future__ import annotations

import asyncio

import pytest

from onward import App, Later, Reject, Retry
from scenarios.ground import Ground, append, until


class Bad(set[str]):
    """Which values fail; mended by emptying it."""


def program(bad: Bad, **options: object) -> App:
    app = App("line")
    source = app.topic("in", dict, key="key")
    out = app.topic("out", dict, key="key")

    def one(value: dict) -> dict:
        if f"{value['key']}{value['n']}" in bad:
            raise ValueError(f"{value['key']}{value['n']} is bad")
        return value

    def many(values: list) -> list:
        return [one(value) for value in values]

    app.stage(source, to=out, name="pass_on", **options)(many if "batch" in options else one)
    return app


def records(keys: int, rounds: int) -> list[dict]:
    return [{"key": f"k{key}", "n": n} for n in range(rounds) for key in range(keys)]


@pytest.mark.parametrize("options", [{}, {"parallel": 4}, {"batch": 7}, {"batch": 50, "parallel": 3}])
def test_later_records_of_the_key_wait_and_drain_in_order(ground: Ground, calm: Ground, options: dict) -> None:
    bad = Bad({"k71"})
    app = program(bad, **options)
    ground.put(app, app.topics["line.in"], *records(1000, 4))

    report = ground.run(app)

    assert report.died == 1
    passed = ground.by_key(app.topics["line.out"])
    assert [value["n"] for value in passed["k7"]] == [0]
    assert all([value["n"] for value in passed[f"k{k}"]] == [0, 1, 2, 3] for k in range(1000) if k != 7)
    assert [(row.state, row.key) for row in ground.parked()] == [("dead", "k7"), ("behind", "k7"), ("behind", "k7")]
    ground.recount()

    bad.clear()
    ground.ask("line.pass_on", "retry", key="k7")
    ground.put(app, app.topics["line.in"], *records(1000, 5)[4000:])
    assert not ground.run(app).failed

    calm.put(app, app.topics["line.in"], *records(1000, 5))
    calm.run(app)
    assert ground.by_key(app.topics["line.out"]) == calm.by_key(app.topics["line.out"])
    ground.recount(empty=True)


def test_dropping_the_dead_one_frees_those_behind(ground: Ground) -> None:
    bad = Bad({"k01"})
    app = program(bad, retry=Retry(attempts=1))
    ground.put(app, app.topics["line.in"], *records(3, 4))
    ground.run(app)
    ground.ask("line.pass_on", "drop", key="k0", state="dead")
    ground.run(app)
    assert [value["n"] for value in ground.by_key(app.topics["line.out"])["k0"]] == [0, 2, 3]
    ground.recount(empty=True)


def test_pass_goes_on_without_the_dead_one(ground: Ground) -> None:
    bad = Bad({"k01"})
    app = program(bad, on_dead="pass")
    ground.put(app, app.topics["line.in"], *records(3, 4))
    ground.run(app)
    assert [value["n"] for value in ground.by_key(app.topics["line.out"])["k0"]] == [0, 2, 3]
    assert ground.states() == {"dead": 1}
    ground.recount()


def test_a_dead_one_tried_again_goes_before_a_later_one_that_fails(ground: Ground) -> None:
    """With `pass`: 1 is dead, 2 is being retried, somebody retries 1; both pass in the end."""
    bad = Bad({"k01", "k02"})
    app = program(bad, on_dead="pass", retry=Retry(attempts=2, first="1s", most="1s"))
    ground.put(app, app.topics["line.in"], {"key": "k0", "n": 0}, {"key": "k0", "n": 1})
    ground.run(app)
    assert ground.states() == {"dead": 1}
    ground.put(app, app.topics["line.in"], {"key": "k0", "n": 2}, {"key": "k0", "n": 3})
    ground.run(app, patience=0.0)
    assert ground.states() == {"dead": 1, "retrying": 1, "behind": 1}
    bad.clear()
    ground.ask("line.pass_on", "retry", key="k0", state="dead")
    assert not ground.run(app).failed
    assert [value["n"] for value in ground.by_key(app.topics["line.out"])["k0"]] == [0, 1, 2, 3]
    ground.recount(empty=True)


@pytest.mark.parametrize("unordered", [False, True])
def test_records_without_key_hold_nobody_up(ground: Ground, unordered: bool) -> None:
    app = App("loose")
    source, out = app.topic("in", dict), app.topic("out", dict)
    bad = Bad({"3", "50"})

    @app.stage(source, to=out, unordered=unordered, retry=Retry(attempts=2))
    def pass_on(value: dict) -> dict:
        if str(value["n"]) in bad:
            raise ValueError("bad")
        return value

    ground.put(app, source, *({"n": n} for n in range(100)))
    report = ground.run(app)
    assert report.died == 2
    assert sorted(value["n"] for value in ground.values(out)) == [n for n in range(100) if n not in (3, 50)]
    ground.recount()
    bad.clear()
    ground.ask("loose.pass_on", "retry")
    ground.run(app)
    assert sorted(value["n"] for value in ground.values(out)) == list(range(100))
    ground.recount(empty=True)


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_every_attempt_counts_also_when_the_next_is_due_at_once(ground: Ground, chance: float) -> None:
    app = App("count")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    calls: dict[int, int] = {}

    @app.stage(source, to=out, retry=Retry(attempts=6))
    def fail(value: dict) -> dict:
        calls[value["n"]] = calls.get(value["n"], 0) + 1
        if value["n"] % 10 == 0:
            raise ValueError("bad")
        return value

    ground.put(app, source, *({"key": f"k{n}", "n": n} for n in range(50)))
    ground.run(app, chance=lambda: chance)
    assert {calls[n] for n in range(0, 50, 10)} == {6}
    attempts = ground.attempts()
    assert {tuple(a.number for a in found) for found in attempts.values()} == {(1, 2, 3, 4, 5, 6)}
    ground.recount()


def test_batches_are_never_empty_when_a_retry_is_due_at_once(ground: Ground) -> None:
    app = App("count")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    sizes: list[int] = []

    @app.stage(source, to=out, batch=5, retry=Retry(attempts=4))
    def fail(values: list[dict]) -> list[dict]:
        sizes.append(len(values))
        if any(value["n"] == 3 for value in values):
            raise ValueError("bad")
        return values

    ground.put(app, source, *({"key": f"k{n}", "n": n} for n in range(50)))
    report = ground.run(app, chance=lambda: 0.0)
    assert (report.died, report.troubles) == (1, [])
    assert min(sizes) >= 1
    ground.recount()


def test_a_thousand_outcomes_that_hold_a_key(ground: Ground) -> None:
    """`Later` and `Reject` hold the key too, and what follows of it does not overtake."""
    app = App("mixed")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    seen: dict[str, int] = {}

    @app.stage(source, to=out)
    def sift(value: dict) -> object:
        name = f"{value['key']}{value['n']}"
        seen[name] = seen.get(name, 0) + 1
        if value["n"] == 1 and seen[name] < 3:
            return Later("10s")
        if value["n"] == 2 and value["key"] == "k3":
            return Reject("no")
        return value

    ground.put(app, source, *records(50, 4))
    report = ground.run(app)
    assert report.died == 1
    passed = ground.by_key(out)
    assert [value["n"] for value in passed["k3"]] == [0, 1]
    assert all([value["n"] for value in passed[f"k{k}"]] == [0, 1, 2, 3] for k in range(50) if k != 3)
    ground.recount()


def test_new_records_of_a_key_queue_while_it_is_retried(ground: Ground) -> None:
    """While a key is being retried, more of its records come in; they are delivered after it."""
    bad = Bad({"k01"})
    app = program(bad)

    async def story() -> None:
        async with ground.running(app) as worker:
            topic = app.topics["line.in"]
            await append(worker.log, topic, records(3, 2))
            await until(ground.states)
            for n in range(2, 6):
                await append(worker.log, topic, [{"key": "k0", "n": n}, {"key": "k1", "n": n}])
            bad.clear()
            ground.clock.advance(60.0)
            await until(lambda: len(ground.by_key(app.topics["line.out"]).get("k0", [])) == 6)

    asyncio.run(story())
    assert [value["n"] for value in ground.by_key(app.topics["line.out"])["k0"]] == [0, 1, 2, 3, 4, 5]
    ground.run(app)
    ground.recount(empty=True)
