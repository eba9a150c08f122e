"""What is raised is no Exception, or cannot be carried as one.

Given handlers, sources and resources that end as a library or `sys.exit` may make them end;
when a worker runs them;
then that is a failure like any other: nothing stays in hand for ever, and the worker goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from onward import App, Checkpoint, Retry
from onward.events import SourceFailed
from scenarios.ground import Ground


class Quit(BaseException):
    """As test libraries and schedulers have them."""


ODD = [Quit, SystemExit, asyncio.CancelledError]


def records(count: int) -> list[dict]:
    return [{"key": f"k{n % 5}", "n": n} for n in range(count)]


@pytest.mark.parametrize("error", ODD)
@pytest.mark.parametrize("kind", ["def", "async", "batch"])
def test_of_a_handler(ground: Ground, error: type[BaseException], kind: str) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    left = [error("once"), error("twice")]

    def one(value: dict) -> dict:
        if value["n"] == 3 and left:
            raise left.pop()
        return value

    async def one_async(value: dict) -> dict:
        return one(value)

    def many(values: list) -> list:
        return [one(value) for value in values]

    handler: Any = {"def": one, "async": one_async, "batch": many}[kind]
    app.stage(source, to=out, name="s", batch=4 if kind == "batch" else None)(handler)
    ground.put(app, source, *records(20))

    assert not ground.run(app).failed

    assert {key: [v["n"] for v in values] for key, values in ground.by_key(out).items()} == {
        f"k{key}": list(range(key, 20, 5)) for key in range(5)
    }
    ground.recount(empty=True)


@pytest.mark.parametrize("error", [*ODD, StopIteration])
@pytest.mark.parametrize("kind", ["returns", "yields", "async"])
def test_of_a_source(ground: Ground, error: type[BaseException], kind: str) -> None:
    app = App("line")
    topic = app.topic("in", dict, key="key")
    away = [True]

    def returns(cursor: int | None) -> list[dict]:
        if away:
            raise error("oh")
        return records(3)

    def yields(cursor: int | None) -> Iterator[Any]:
        yield from (*records(cursor or 2), Checkpoint(2))
        if away:
            raise error("oh")

    async def yields_async(cursor: int | None) -> AsyncIterator[Any]:
        for item in yields(cursor):
            yield item

    handler: Any = {"returns": returns, "yields": yields, "async": yields_async}[kind]
    app.source(to=topic, name="bring", every="1h")(handler)

    assert ground.run(app).sources_failed == 1
    assert len(ground.values(topic)) == (0 if kind == "returns" else 2)
    if error is not StopIteration or kind == "returns":  # of a generator Python itself makes a RuntimeError
        assert error.__name__ in str(ground.seen.of(SourceFailed)[0].error)

    away.clear()
    assert not ground.run(app).failed
    assert len(ground.values(topic)) == (3 if kind == "returns" else 4)
    ground.recount()


@pytest.mark.parametrize("error", ODD)
@pytest.mark.parametrize("kind", ["def", "async"])
def test_of_a_resource(ground: Ground, error: type[BaseException], kind: str) -> None:
    app = App("line")
    source, out = app.topic("in", dict, key="key"), app.topic("out", dict, key="key")
    left = [error("not yet")]

    def opened() -> str:
        if left:
            raise left.pop()
        return "open"

    if kind == "def":

        @app.resource
        def agent() -> Iterator[str]:
            yield opened()
    else:

        @app.resource
        async def agent() -> AsyncIterator[str]:
            yield opened()

    @app.stage(source, to=out, retry=Retry(first="1s"))
    def s(value: dict, agent: str) -> dict:
        return value

    ground.put(app, source, *records(5))

    assert not ground.run(app).failed
    assert len(ground.values(out)) == 5
    ground.recount(empty=True)
