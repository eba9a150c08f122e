"""Of what is forgotten nothing is left, in any table.

Given an app that has delivered, parked, folded and been paused;
when it is forgotten;
then no row of any table names it, the audit adds up, and the app begins anew.
"""

from __future__ import annotations

from onward import App, Retry
from onward.audit import breaches
from onward.forget import meant
from onward.logs import postgres_forget, sqlite_forget
from scenarios.ground import NOW, Ground

COUNTERS = {"tally", "app", "topic"}


def program(name: str, start: str | None = None) -> App:
    app = App(name)
    first, second = app.topic("first", int, key=lambda n: f"k{n}"), app.topic("second", int)

    @app.source(to=first, every="1h")
    def bring(cursor: int | None):
        yield from range(cursor or 0, 5)

    @app.stage(first, to=second, retry=Retry(attempts=1), start=start)
    def work(value: int) -> int:
        if value == 3:
            raise ValueError("no")
        return value

    return app


def worked(ground: Ground, name: str) -> App:
    ground.own_clock = True
    app = program(name)
    for _ in range(3):
        ground.put(app, app.topics[f"{name}.first"], *range(10))
        ground.run(app)
        ground.clock.advance(3 * 86_400)
    ground.books(lambda books: books.pause(f"{name}.work", "ann", NOW))
    ground.ask(f"{name}.work", "retry")
    return app


def forget(ground: Ground, name: str) -> None:
    async def work(books):
        await books.forget(meant(await books.survey(), name))

    ground.clock.advance(100)
    ground.books(work)


def rows_naming(ground: Ground, app: str) -> list[tuple[str, str]]:
    return [
        (table, column)
        for table, column in ground.columns()
        if ground.sql(f'SELECT 1 FROM {table} WHERE CAST("{column}" AS TEXT) LIKE :name LIMIT 1', name=f"%{app}.%")
    ]


def test_nothing_is_left_of_an_app(ground: Ground) -> None:
    worked(ground, "zebra")
    worked(ground, "yak")
    assert ground.sql("SELECT count(*) > 0 FROM folded") == [(1,)]
    before = ground.books(lambda books: books.survey()).stages[0]
    forget(ground, "zebra")
    assert rows_naming(ground, "zebra") == []
    assert breaches(*ground.books(lambda books: books.evidence())) == []
    assert ground.books(lambda books: books.survey()).stages[0]._replace(holder=None) == before._replace(holder=None)
    app = program("zebra")
    ground.put(app, app.topics["zebra.first"], 1, 2)
    ground.run(app)
    assert ground.values(app.topics["zebra.second"])[:2] == [1, 2]
    ground.recount()


def test_much_is_forgotten_in_steps(ground: Ground, monkeypatch) -> None:
    for module in (sqlite_forget, postgres_forget):
        monkeypatch.setattr(module, "ROWS", 2)
        monkeypatch.setattr(module, "BLOCKS", 2)
    worked(ground, "zebra")
    forget(ground, "zebra")
    assert rows_naming(ground, "zebra") == []
    assert breaches(*ground.books(lambda books: books.evidence())) == []


def test_what_a_forgotten_stage_brought_stays_and_counts(ground: Ground) -> None:
    app = worked(ground, "zebra")
    second = ground.values(app.topics["zebra.second"])
    forget(ground, "zebra.work")
    assert ground.values(app.topics["zebra.second"]) == second
    assert breaches(*ground.books(lambda books: books.evidence())) == []
    ground.run(program("zebra", start="now"))
    assert breaches(*ground.books(lambda books: books.evidence())) == []
