"""Records outlive the program that wrote them.

Given records of an older version of a program, delivered, parked and outstanding;
when a newer version runs, alone or beside the older one;
then it reads them, by itself or by `upgrade=`; or it does not start the stage, and says why.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from onward import App, Retry
from onward.status import status
from scenarios.ground import Ground, append, until


class Old(Struct):
    name: str


class Added(Struct):
    name: str
    note: str = "none"


class New(Struct):
    first: str
    last: str


def split(old: dict[str, Any]) -> dict[str, Any]:
    first, _, last = old["name"].partition(" ")
    return {"first": first, "last": last}


def program(type_: Any, bad: str = "", **more: Any) -> App:
    app = App("up")
    people, seen = app.topic("people", type_), app.topic("seen", str)

    @app.stage(people, to=seen, retry=Retry(attempts=1), **more)
    def see(value: type_) -> str:  # type: ignore[valid-type]
        if bad and bad in repr(value):
            raise ValueError(bad)
        return repr(value)

    return app


def state(ground: Ground) -> str:
    survey = ground.books(lambda books: books.survey())
    [app] = status(ground.url, survey, survey.apps).apps
    return app.stages[0].state


def old_store(ground: Ground) -> App:
    """One record is parked, one is outstanding."""
    app = program(Old, bad="ann b")
    ground.put(app, app.topics["up.people"], Old("ann b"))
    ground.run(app)
    ground.put(app, app.topics["up.people"], Old("cleo d"))
    return app


def test_fields_with_defaults_may_be_added(ground: Ground) -> None:
    old_store(ground)
    app = program(Added)
    ground.put(app, app.topics["up.people"], Added("eve f", "yes"))
    ground.ask("up.see", "retry")
    assert not ground.run(app).failed
    assert sorted(ground.values(app.topics["up.seen"])) == [
        "Added(name='ann b', note='none')",
        "Added(name='cleo d', note='none')",
        "Added(name='eve f', note='yes')",
    ]
    ground.recount(empty=True)


def test_a_stage_that_cannot_read_what_is_stored_is_not_started(ground: Ground) -> None:
    old_store(ground)
    app = program(New)
    report = ground.run(app)
    assert report.failed
    [trouble] = report.troubles
    assert "{name: str}" in trouble and "{first: str, last: str}" in trouble and "upgrade=" in trouble
    assert state(ground).startswith("stopped: stage up.see cannot read")
    assert ground.values(app.topics["up.seen"]) == []
    ground.recount()
    ground.run(program(Old))  # the older version goes on
    assert ground.values(app.topics["up.seen"]) == ["Old(name='cleo d')"]


def test_upgrade_reads_what_the_type_does_not(ground: Ground) -> None:
    old_store(ground)
    app = program(New, upgrade=split)
    ground.put(app, app.topics["up.people"], New("eve", "f"))
    ground.ask("up.see", "retry")
    assert not ground.run(app).failed
    assert sorted(ground.values(app.topics["up.seen"])) == [
        "New(first='ann', last='b')",
        "New(first='cleo', last='d')",
        "New(first='eve', last='f')",
    ]
    ground.recount(empty=True)


def test_upgrade_may_give_the_new_value_itself(ground: Ground) -> None:
    old_store(ground)
    app = program(New, upgrade=lambda old: New(**split(old)))
    ground.run(app)
    assert ground.values(app.topics["up.seen"]) == ["New(first='cleo', last='d')"]


def test_what_upgrade_cannot_read_dies_and_says_why(ground: Ground) -> None:
    old_store(ground)

    def upgrade(old: dict[str, Any]) -> dict[str, Any]:
        return {"first": old["nickname"]}

    app = program(New, upgrade=upgrade)
    ground.run(app)
    ground.ask("up.see", "retry")
    ground.run(app)
    assert ground.states() == {"dead": 2}
    assert all("upgrade= failed" in row.error for row in ground.parked())
    ground.run(program(New, upgrade=split))
    ground.ask("up.see", "retry")
    ground.run(program(New, upgrade=split))
    ground.recount(empty=True)


def test_the_older_version_goes_on_beside_one_that_cannot_read(ground: Ground) -> None:
    old = old_store(ground)

    async def story() -> None:
        async with ground.running(program(New)) as newer:
            await until(lambda: newer.report.troubles)
            async with ground.running(old) as worker:
                await append(worker.log, old.topics["up.people"], [Old("gus h")])
                await until(lambda: "Old(name='gus h')" in ground.values(old.topics["up.seen"]))

    asyncio.run(story())
    ground.recount()
