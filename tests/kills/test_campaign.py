"""Killed at any step of writing, the app ends where an undisturbed run ends.

Given an app with a source, a stage whose keys fail and mend, and a stage that commits within another database
when  its process is killed in, before or after the n-th write to disk, for every n, and then started again
then  both databases hold what an undisturbed run leaves: every record once, in order per key, and the audit is clean.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from tests.kills.program import KEYS, RECORDS

from onward.audit import breaches
from onward.logs.sqlite_books import SQLiteBooks
from servers.postgres import database

ROOT = Path(__file__).parents[2]
LIMIT = 60


def start(folder: Path, step: int = 0, how: str = "before", target: str = "") -> int:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.kills.program", str(folder), str(step), how, *filter(None, [target])]
    return subprocess.run(command, cwd=ROOT, timeout=LIMIT, check=False).returncode


def by_key(rows: list[tuple[str, int]]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for key, number in rows:
        found[key].append(number)
    return dict(found)


def ended(folder: Path, target: str = "") -> dict[str, object]:
    """What the two databases hold, apart from where the records of different keys lie among each other."""
    store = apsw.Connection(str(folder / "store.db"))
    found: dict[str, object] = {}
    for topic in ("made", "mended", "told"):
        rows = store.execute(
            "SELECT key, value ->> 'number' FROM record WHERE topic = ? ORDER BY partition, \"offset\"",
            (f"kills.{topic}",),
        ).fetchall()
        found[topic] = by_key(rows)
    store.close()
    connection: Any = psycopg.connect(target) if target else apsw.Connection(str(folder / "target.db"))
    found["rows"] = by_key(connection.execute("SELECT key, number FROM line ORDER BY at").fetchall())
    connection.close()
    return found


def expected() -> dict[str, object]:
    made = [(f"k{number % KEYS}", number) for number in range(RECORDS)]
    kept = [(key, number) for key, number in made if number % 40 != 11]
    return {"made": by_key(made), "mended": by_key(kept), "told": by_key(kept), "rows": by_key(kept)}


def audited(folder: Path) -> list[object]:
    async def look() -> list[object]:
        books = SQLiteBooks(f"sqlite:///{folder / 'store.db'}")
        try:
            return list(breaches(*await books.evidence()))
        finally:
            await books.close()

    return asyncio.run(look())


def killed_then_mended(folder: Path, step: int, how: str, target: str = "") -> bool:
    """Kills twice at that step, then lets it run; whether the first was killed at all."""
    first = start(folder, step, how, target)
    if first == 0:
        return False
    assert first == -9, f"{how} {step}: ended with {first}"
    assert start(folder, step, how, target) in (-9, 0)
    assert start(folder, target=target) == 0, f"{how} {step}: did not end after the kill"
    assert ended(folder, target) == expected(), f"{how} {step}"
    assert audited(folder) == [], f"{how} {step}"
    return True


def test_an_undisturbed_run_is_as_expected(tmp_path: Path) -> None:
    assert start(tmp_path) == 0
    assert ended(tmp_path) == expected()
    assert audited(tmp_path) == []


@pytest.mark.parametrize(("how", "stride"), [("before", 1), ("after", 2), ("torn", 17)])
def test_a_kill_at_any_step_leaves_no_trace(tmp_path: Path, how: str, stride: int) -> None:
    kills = 0
    with ThreadPoolExecutor(2) as pool:
        step = 1
        while True:
            steps = [step, step + stride]
            found = list(pool.map(lambda at: killed_then_mended(tmp_path / f"{how}{at}", at, how), steps))
            kills += sum(found)
            step += 2 * stride
            if not all(found):
                break
    assert kills >= 10, kills
    print(f"{kills} kills {how} a step")


@pytest.mark.parametrize(("how", "stride"), [("before", 59), ("after", 67)])
def test_a_kill_at_any_step_in_postgresql_leaves_no_trace(
    tmp_path: Path, postgres_server: str, how: str, stride: int
) -> None:
    kills, step = 0, 3
    with contextlib.ExitStack() as made, ThreadPoolExecutor(2) as pool:
        while True:
            steps = [step, step + stride]
            targets = [made.enter_context(database(postgres_server)) for _ in steps]
            places = [tmp_path / f"{how}{at}" for at in steps]
            found = list(pool.map(killed_then_mended, places, steps, [how, how], targets))
            kills += sum(found)
            step += 2 * stride
            if not all(found):
                break
    assert kills >= 4, kills
    print(f"{kills} kills {how} a step")


def test_killed_again_and_again_it_arrives(tmp_path: Path) -> None:
    """One store, each life ended at a later step than the one before until one is not."""
    lives = 0
    step = 3
    while start(tmp_path, step, ("before", "after")[lives % 2]) == -9:
        lives += 1
        step += 1 if lives % 4 == 0 else 0
        assert lives < 400
    assert lives >= 8, lives
    assert ended(tmp_path) == expected()
    assert audited(tmp_path) == []
