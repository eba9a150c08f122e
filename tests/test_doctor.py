"""Whether a declaration fits a store, without writing anything."""

from __future__ import annotations

import asyncio

import pytest

from onward import App
from onward.databases import examine as examine_target
from onward.declaration import spec_of
from onward.doctor import misfits
from onward.errors import Refused
from onward.log import Append, Commit
from onward.logs.memory import MemoryLog
from onward.targets.postgres import PostgresTarget


def _app(*, partitions: int = 1, topic: str = "topic", stage: str | None = "use", start: str | None = None) -> App:
    app = App("small")
    topics = {name: app.topic(name, int, partitions=partitions) for name in ("topic", "other")}
    if stage is not None:
        app.stage(topics[topic], name=stage, start=start)(lambda value: None)  # type: ignore[arg-type]
    return app


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({}, ""),
        ({"partitions": 2}, "partitions"),
        ({"topic": "other"}, "has read topic small.topic"),
        ({"stage": "another"}, "already holds 1 record;"),
        ({"stage": "another", "start": "now"}, ""),
    ],
)
def test_what_is_told_is_what_declaring_refuses(later: dict[str, object], told: str) -> None:
    async def scenario() -> None:
        log = MemoryLog()
        await log.declare(spec_of(_app()))
        await log.commit(Commit(appends=[Append("small.topic", 0, 1, b'[[null,null,"2026-01-01",null,1]]', None)]))
        spec = spec_of(_app(**later))  # type: ignore[arg-type]
        found = misfits(await log.survey(), spec)
        assert bool(found) == bool(told) and all(told in one for one in found)
        if told:
            with pytest.raises(Refused):
                await log.declare(spec)
        else:
            await log.declare(spec)

    asyncio.run(scenario())


def test_a_postgresql_target_says_where_its_tables_are(postgres: str) -> None:
    state, told = examine_target(postgres)
    assert state == "ok" and "made in schema public at first need" in told
    PostgresTarget(postgres).close()
    state, told = examine_target(postgres)
    assert state == "ok" and "are in schema public" in told
    state, told = examine_target(f"{postgres}?options=-csearch_path%3Dnowhere")
    assert state == "failed" and "no schema of its search_path exists" in told


def test_a_postgresql_target_that_cannot_be_used_says_why() -> None:
    state, told = examine_target("postgresql://me:open-sesame@127.0.0.1:1/nowhere")
    assert state == "failed" and "127.0.0.1:1/nowhere" in told and "sesame" not in told
