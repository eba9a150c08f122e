"""A line to be disturbed: a stage that passes records on, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg

from onward import App, Topic
from scenarios.postgres.ground import PostgresGround

RECORDS, KEYS = 3_000, 20
BOUND = 90.0
"""Seconds; a server under tests on a busy machine takes its time to start."""


def little() -> None:
    time.sleep(0.001)


def program(work: Callable[[], None] = little) -> tuple[App, Topic[Any], Topic[Any]]:
    """`work` is what a call does."""
    app = App("line")
    source = app.topic("in", dict, key="key", partitions=2)
    out = app.topic("out", dict, key="key", partitions=2)

    @app.stage(source, to=out, batch=20)
    def pass_on(values: list[dict]) -> list[dict]:
        work()
        return values

    return app, source, out


def values() -> list[dict[str, Any]]:
    return [{"key": f"k{n % KEYS}", "n": n} for n in range(RECORDS)]


def check(ground: PostgresGround, out: Topic[Any]) -> None:
    """Every record once, in order per key, and the counts hold."""
    found = ground.by_key(out)
    assert {key: [value["n"] for value in rows] for key, rows in found.items()} == {
        f"k{k}": list(range(k, RECORDS, KEYS)) for k in range(KEYS)
    }
    ground.recount(empty=True)


async def delivered(ground: PostgresGround, out: Topic[Any], least: int = RECORDS) -> None:
    """Waits until so many are there, and all handed back."""
    end = time.monotonic() + BOUND
    while True:
        try:
            if (
                await asyncio.to_thread(
                    ground.sql, "SELECT coalesce(sum(count), 0) FROM block WHERE topic = :topic", topic=out.name
                )
            )[0][0] >= least:
                return
        except psycopg.OperationalError:
            pass
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.02)
