"""Killed at any commit to a server, the app ends where an undisturbed run ends.

Given an app with a source, a stage whose keys fail and mend, and a stage that commits within a database of its own
when  its process is killed as it sends a COMMIT, or as the answer comes, and then started again
then  both databases hold what an undisturbed run leaves: every record once, in order per key, and the audit is clean.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import psycopg
import pytest
from tests.kills.test_campaign import LIMIT, ROOT, by_key, expected

from onward.audit import breaches
from onward.logs.postgres_books import PostgresBooks
from servers.postgres import database


def start(url: str, folder: Path, step: int = 0, how: str = "before") -> int:
    command = [sys.executable, "-m", "tests.kills.postgres_program", url, str(folder), str(step), how]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=2 * LIMIT, check=False).returncode


def ended(url: str, folder: Path) -> dict[str, object]:
    """What the two databases hold, apart from where the records of different keys lie among each other."""
    found: dict[str, object] = {}
    with psycopg.connect(url) as store:
        for topic in ("made", "mended", "told"):
            rows = store.execute(
                "SELECT key, (value ->> 'number')::int FROM onward.record WHERE topic = %s"
                ' ORDER BY partition, "offset"',
                (f"kills.{topic}",),
            ).fetchall()
            found[topic] = by_key(rows)
    target = apsw.Connection(str(folder / "target.db"))
    found["rows"] = by_key(target.execute("SELECT key, number FROM line ORDER BY at").fetchall())
    target.close()
    return found


def audited(url: str) -> list[object]:
    async def look() -> list[object]:
        books = PostgresBooks(url)
        try:
            return list(breaches(*await books.evidence()))
        finally:
            await books.close()

    return asyncio.run(look())


def killed_then_mended(server: str, folder: Path, step: int, how: str) -> bool:
    """Kills at that step, then lets it run; whether it was killed at all."""
    folder.mkdir()
    with database(server) as url:
        first = start(url, folder, step, how)
        assert first in (-9, 0), f"{how} {step}: ended with {first}"
        if first:
            assert start(url, folder) == 0, f"{how} {step}: did not end after the kill"
        assert ended(url, folder) == expected(), f"{how} {step}"
        assert audited(url) == [], f"{how} {step}"
        return first == -9


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_kill_at_any_commit_leaves_no_trace(postgres_server: str, tmp_path: Path, how: str) -> None:
    steps = (2, 8, 19, 33)  # while it opens, declares, takes leases, brings, mends and writes
    with ThreadPoolExecutor(2) as pool:
        kills = list(pool.map(lambda at: killed_then_mended(postgres_server, tmp_path / str(at), at, how), steps))
    assert sum(kills) >= 3, kills
