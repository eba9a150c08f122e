"""What a generator yields is stored as it was when it was yielded.

Given generators that change one object and yield it again, as values, records and with several topics;
when they are called, one by one, in batches and within a database;
then each record holds what the object held at its yield.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from msgspec import Struct

from onward import App, Checkpoint, Database, Drop, Retry
from scenarios.ground import Ground


class Line(Struct):
    key: str
    n: int


def app_with(handler: Any, **options: Any) -> App:
    app = App("lines")
    source = app.topic("in", dict, key="key")
    out = app.topic("out", Line, key="key")
    app.stage(source, to=out, name="split", **options)(handler)
    return app


def split(value: dict) -> Iterator[Line]:
    line = Line("", 0)
    for n in range(value["count"]):
        line.key, line.n = f"{value['key']}{n}", n
        yield line


async def split_async(value: dict) -> AsyncIterator[Line]:
    for line in split(value):
        yield line


def split_batch(values: list[dict]) -> Iterator[Line]:
    for value in values:
        yield from split(value)


@pytest.mark.parametrize("kind", ["plain", "async", "batch", "within"])
def test_one_object_yielded_several_times(ground: Ground, kind: str) -> None:
    handler = {"async": split_async, "batch": split_batch}.get(kind, split)
    options: dict[str, Any] = {"batch": 2} if kind == "batch" else {}
    if kind == "within":
        options["within"] = Database(f"sqlite:///{ground.folder}/target.db")
    app = app_with(handler, **options)
    ground.put(app, app.topics["lines.in"], {"key": "a", "count": 3}, {"key": "b", "count": 2})
    assert not ground.run(app).failed
    found = [(key, line.key, line.n) for key, line in ground.records(app.topics["lines.out"])]
    assert found == [("a0", "a0", 0), ("a1", "a1", 1), ("a2", "a2", 2), ("b0", "b0", 0), ("b1", "b1", 1)]
    ground.recount(empty=True)


def test_records_of_several_topics_with_their_own_keys(ground: Ground) -> None:
    app = App("lines")
    source = app.topic("in", dict, key="key")
    left, right = app.topic("left", dict), app.topic("right", dict, key="n")

    @app.stage(source, to=[left, right])
    def split(value: dict) -> Iterator[Any]:
        made, headers = {"n": 0}, {"turn": "0"}
        for n in range(3):
            made["n"], headers["turn"] = n, str(n)
            yield left.record(made, headers=headers)
            yield right.record(made, key=f"k{n}")
            yield None
        yield Drop("enough")

    ground.put(app, source, {"key": "a"})
    assert not ground.run(app).failed
    assert ground.records(left) == [("a", {"n": n}) for n in range(3)]
    assert ground.records(right) == [(f"k{n}", {"n": n}) for n in range(3)]
    found = ground.sql("SELECT headers ->> 'turn' FROM record WHERE topic = 'lines.left' ORDER BY \"offset\"")
    assert found == [("0",), ("1",), ("2",)]


def test_what_cannot_be_written_fails_its_record(ground: Ground) -> None:
    """As before: the record dies, with the reason, and nothing of it is emitted; its neighbours go on."""

    def odd(value: dict) -> Iterator[Any]:
        yield Line(value["key"], 1)
        if value["key"] == "bad":
            yield {"no": "line"}

    app = app_with(odd, retry=Retry(attempts=1))
    ground.put(app, app.topics["lines.in"], {"key": "a"}, {"key": "bad"}, {"key": "c"})
    assert ground.run(app).died == 1
    assert [line.key for line in ground.values(app.topics["lines.out"])] == ["a", "c"]
    assert "dict fits none of lines.out" in ground.parked()[0].error


def test_a_yield_that_is_too_large_fails_its_record(ground: Ground) -> None:
    app = App("lines")
    source = app.topic("in", dict, key="key")
    out = app.topic("out", dict, key="key", max_record="2KB")

    @app.stage(source, to=out, retry=Retry(attempts=1))
    def fill(value: dict) -> Iterator[dict]:
        yield {"key": value["key"], "text": "x" * value["size"]}

    sizes = [10, 900, 1_100, 1_800, 1_950, 2_100, 30_000]
    ground.put(app, source, *({"key": f"k{size}", "size": size} for size in sizes))
    ground.run(app)
    assert [len(value["text"]) for value in ground.values(out)] == [10, 900, 1_100, 1_800]
    assert all("the most is 2000" in row.error for row in ground.parked())


def test_a_source_that_yields_one_object(ground: Ground) -> None:
    app = App("lines")
    out = app.topic("out", dict, key="n")

    @app.source(to=out, every="1h")
    def bring(cursor: int | None) -> Iterator[Any]:
        made: dict[str, int] = {}
        for n in range(3):
            made["n"] = n
            yield made
        yield Checkpoint(3)

    ground.run(app)
    assert ground.records(out) == [(str(n), {"n": n}) for n in range(3)]
