"""A store moves while programs have it open.

Given a store on PostgreSQL that a program puts records into, in transactions of its own
when  it is moved to a file
then  what was being committed is carried along, and what comes later is refused.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import psycopg
import pytest

import onward
from onward import App, stores
from onward.errors import StoreMoved
from onward.move import Move, Moved
from scenarios.ground import until

app = App("shop")
orders = app.topic("orders", dict, key="key")

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def move(old: str, new: str) -> Moved:
    async def work() -> Moved:
        async with stores.carrying(old) as given, stores.carrying(new) as taken:
            return await Move(given, taken, "me").run()

    return asyncio.run(work())


def test_a_transaction_that_is_open_is_waited_for(postgres: str, tmp_path: Path) -> None:
    new, found = f"sqlite:///{tmp_path / 'new.db'}", []
    with onward.open(app, postgres) as client, psycopg.connect(postgres) as tx:
        client.put(orders, {"key": "a"}, tx=tx)
        moving = threading.Thread(target=lambda: found.append(move(postgres, new)))
        moving.start()
        with psycopg.connect(postgres, autocommit=True) as other:
            asyncio.run(until(lambda: other.execute(WAITING).fetchall() != [(0,)]))
        assert not found
        tx.commit()
        moving.join(60)
        assert [one.records for one in found] == [1]
        with pytest.raises(StoreMoved, match="has moved to"):
            client.put(orders, {"key": "b"}, tx=tx)
        tx.rollback()
        with pytest.raises(StoreMoved, match="has moved to"):
            client.put(orders, {"key": "b"})
    with pytest.raises(StoreMoved, match="has moved to"), onward.open(app, postgres):
        pass
    with onward.open(app, new) as client:
        client.put(orders, {"key": "c"})


def test_a_client_of_a_file_is_refused_from_then_on(tmp_path: Path) -> None:
    old, new = f"sqlite:///{tmp_path / 'old.db'}", f"sqlite:///{tmp_path / 'new.db'}"
    with onward.open(app, old) as client:
        client.put(orders, {"key": "a"})
        assert move(old, new).records == 1
        with pytest.raises(StoreMoved, match="has moved to"):
            client.put(orders, {"key": "b"})
        with pytest.raises(StoreMoved, match="has moved to"), client.commit() as block:
            block.put(orders, {"key": "b"})
    assert move(old, new).records == 1
