"""Workers of several machines come and go.

Given a stage of eight partitions, with work all the time
when  workers on several machines come and go
then  each has its even share within seconds, none is left lying, and every record is there once, in order per key.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from onward import App, Topic, duties, lease
from onward.worker import Worker
from scenarios.ground import append
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import BOUND, delivered

PARTITIONS, KEYS, STEP = 8, 64, 640


def program() -> tuple[App, Topic[Any], Topic[Any]]:
    app = App("wide")
    source = app.topic("in", dict, key="key", partitions=PARTITIONS)
    out = app.topic("out", dict, key="key", partitions=PARTITIONS)

    @app.stage(source, to=out)
    def copy(value: dict) -> dict:
        return value

    return app, source, out


def test_each_has_its_share(ground: PostgresGround, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("RENEW", 0.3), ("LOOK", 0.1)):
        monkeypatch.setattr(lease, name, seconds)
    monkeypatch.setattr(duties, "TROUBLE", 0.05)
    app, source, out = program()
    ground.put(app, source)
    sent = 0

    @contextlib.asynccontextmanager
    async def on(machine: str) -> AsyncIterator[Worker]:
        async with ground.open(app) as worker:
            worker.name = f"{machine}~0/1/0/0"
            task = asyncio.create_task(worker.run())
            try:
                yield worker
            finally:
                worker.stop()
                await asyncio.wait_for(task, BOUND)

    def shares() -> list[int]:
        found = ground.sql("SELECT worker FROM lease WHERE stage = 'wide.copy' AND until IS NOT NULL")
        return sorted(Counter(found).values())

    async def spread(worker: Worker, *expected: int) -> None:
        nonlocal sent
        begun = time.monotonic()
        while shares() != sorted(expected):
            await append(worker.log, source, [{"key": f"k{n % KEYS}", "n": n} for n in range(sent, sent + STEP)])
            sent += STEP
            assert time.monotonic() < begun + BOUND, f"{shares()}, not {expected}"
            await asyncio.sleep(0.05)

    async def story() -> None:
        async with on("a") as a:
            await spread(a, 8)
            async with on("b") as b:
                await spread(b, 4, 4)
                async with on("c") as c:
                    await spread(a, 3, 3, 2)
                    a.stop()
                    await spread(c, 4, 4)
                await spread(b, 8)
                async with on("d"), on("e"):
                    await spread(b, 3, 3, 2)
                    await delivered(ground, out, sent)

    asyncio.run(story())
    found = ground.by_key(out)
    assert {key: [value["n"] for value in rows] for key, rows in found.items()} == {
        f"k{k}": list(range(k, sent, KEYS)) for k in range(KEYS)
    }
    ground.recount(empty=True)
