"""The server's disk is full.

Given a stage at work on a store whose server has little room
when  there is no room for blocks, or for the server's WAL, and later there is again
then  the worker waits and goes on, `status` says what for, and nothing is lost or doubled.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from onward import duties
from onward.events import StoreAbsent
from scenarios.ground import append, until, until_shown
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import BOUND, RECORDS, check, delivered, program, values
from servers import folder, not_run
from servers.postgres import own


@contextmanager
def disk(megabytes: int) -> Iterator[Path]:
    """A small disk."""
    place = folder("disk")
    options = f"size={megabytes}m,mode=0700" + (",uid=65534,gid=65534" if os.geteuid() == 0 else "")
    try:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True).returncode:
            not_run("who runs the tests may not mount a small disk")
        yield place
        subprocess.run(["umount", "--lazy", place], check=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def fill(place: Path) -> Path:
    """Leaves no room; gives what is to be deleted for some."""
    made = place / "in-the-way"
    with open(made, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return made


def test_no_room_for_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "TROUBLE", 0.05)
    app, source, out = program()
    with disk(64) as place, own("fsync=off") as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            connection.execute("CREATE DATABASE little TABLESPACE small TEMPLATE template0")
        ground = PostgresGround(tmp_path, server.url("little"))

        async def story() -> None:
            async with ground.running(app) as worker:
                await append(worker.log, source, values())
                await delivered(ground, out, RECORDS // 10)
                in_the_way = await asyncio.to_thread(fill, place)
                said = await until_shown(worker, "line.pass_on", "waiting: ", BOUND)
                assert "No space left on device" in said and "/little" in said
                in_the_way.unlink()
                await delivered(ground, out)
                await until_shown(worker, "line.pass_on", "idle", BOUND)

        asyncio.run(story())
        check(ground, out)


def test_no_room_for_the_servers_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes down by that, and may stay down until somebody starts it."""
    monkeypatch.setattr(duties, "TROUBLE", 0.05)
    app, source, out = program()
    with disk(80) as place, own("min_wal_size=32MB", "max_wal_size=32MB") as server:
        server.stop()
        shutil.copytree(server.data / "pg_wal", place / "wal", copy_function=shutil.copy2)
        shutil.rmtree(server.data / "pg_wal")
        (server.data / "pg_wal").symlink_to(place / "wal")
        own_all(place)
        server.start()
        ground = PostgresGround(tmp_path, server.create())

        async def story() -> None:
            async with ground.running(app) as worker:
                await append(worker.log, source, values())
                await delivered(ground, out, RECORDS // 10)
                in_the_way = await asyncio.to_thread(fill, place)
                for _ in range(5):  # into WAL files that are not there yet
                    with suppress(psycopg.Error):
                        await asyncio.to_thread(ground.sql, "SELECT pg_switch_wal()")
                await until(lambda: ground.seen.of(StoreAbsent), BOUND)
                assert "PANIC" in server.log and "No space left on device" in server.log
                in_the_way.unlink()
                await asyncio.to_thread(server.start_if_down)
                await delivered(ground, out)

        asyncio.run(story())
        check(ground, out)


def own_all(place: Path) -> None:
    if os.geteuid() == 0:
        for one in (place, *place.rglob("*")):
            os.chown(one, 65534, 65534, follow_symlinks=False)
