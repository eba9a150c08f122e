"""Killed while records are parked, queue behind others, and are asked for.

Given a source, a stage whose keys fail and mend, a stage within a target where two keys stay dead until somebody asks
for them, and records that wait for a while there;
when the process is killed at the n-th write to disk of each life, n growing from life to life, first while the keys
die and others queue behind them, then while they are retried by hand among new records;
then both databases hold what undisturbed runs leave, each record once and in order per key, and every recount on the
way is clean.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from kills.program import Killing
from onward import App, Checkpoint, Database, Later, Record, Retry
from onward.clock import SystemClock
from scenarios.ground import Ground, environment, sql

KEYS = 12
BRIEF = Retry(attempts=2, first="3ms", most="3ms")


def program(folder: Path) -> App:
    app = App("grave")
    found = app.topic("found", dict, key="key", partitions=2)
    made = app.topic("made", dict, key="key", partitions=2)
    told = app.topic("told", dict, key="key")

    @app.source(to=found, every="1h")
    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, 240 if (folder / "mended").exists() else 120):
            yield {"key": f"k{n % KEYS}", "n": n}
            if n % 20 == 19:
                yield Checkpoint(n + 1)

    @app.stage(found, to=made, retry=BRIEF)
    def make(record: Record[dict]) -> dict:
        if record.value["n"] % 17 == 5 and record.attempt == 1:
            raise ValueError("not at the first attempt")
        return record.value

    @app.stage(made, to=told, within=Database(f"sqlite:///{folder}/target.db"), retry=BRIEF, parallel=2)
    def tell(record: Record[dict], tx: apsw.Connection) -> Any:
        n = record.value["n"]
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER, tries INTEGER)")
        tx.execute("INSERT INTO effect VALUES (?, ?)", (n, record.attempt))
        if n in (27, 40) and not (folder / "mended").exists():
            raise ValueError("until somebody mends it")
        if n % 23 == 7 and not (folder / f"waited-{n}").exists():
            (folder / f"waited-{n}").touch()
            return Later("3ms")
        return record.value

    return app


def lives(ground: Ground, how: str, strides: list[int]) -> int:
    """Runs until a life is not killed; each is killed at a later write than the one before. Counts the kills."""
    kills, step = 0, 1
    while True:
        command = [sys.executable, "-m", "scenarios.test_killed_while_parked", str(ground.path), str(step), how]
        code = subprocess.run(command, env=environment(), timeout=60).returncode
        if code == 0:
            return kills
        assert code == -9, (how, step)
        kills += 1
        step += strides[kills % len(strides)]
        if ground.path.exists() and kills % 3 == 0 and ground.sql("SELECT 1 FROM sqlite_schema WHERE name = 'block'"):
            ground.recount()


def whole_story(ground: Ground, how: str | None, strides: list[int]) -> int:
    kills = lives(ground, how or "before", strides) if how else 0
    ground.run(program(ground.folder))
    assert ground.states("grave.tell").get("dead") == 2
    ground.recount()
    (ground.folder / "mended").touch()
    for partition in (0, 1):
        ground.ask("grave.tell", "retry", partition)
    kills += lives(ground, how, strides) if how else 0
    ground.clock.advance(7200.0)
    assert not ground.run(program(ground.folder)).failed
    ground.recount(empty=True)
    return kills


def result(ground: Ground) -> dict[str, Any]:
    app = program(ground.folder)
    found: dict[str, Any] = {
        name: {key: [value["n"] for value in values] for key, values in ground.by_key(topic).items()}
        for name, topic in app.topics.items()
    }
    rows: dict[str, list[int]] = {}
    for (n,) in sql(ground.folder / "target.db", "SELECT n FROM effect ORDER BY rowid"):
        rows.setdefault(f"k{n % KEYS}", []).append(n)
    totals = "SELECT stage, sum(count) FROM progress GROUP BY stage ORDER BY stage"
    return {**found, "effects": rows, "totals": ground.sql(totals)}


@pytest.mark.parametrize(("how", "strides"), [("before", [1, 1, 2]), ("after", [1, 1, 2]), ("torn", [5, 17, 29])])
def test_it_ends_as_undisturbed(ground: Ground, calm: Ground, how: str, strides: list[int]) -> None:
    kills = whole_story(ground, how, strides)
    whole_story(calm, None, [])
    assert result(ground) == result(calm)
    assert all(ns == list(range(int(key[1:]), 240, KEYS)) for key, ns in result(ground)["effects"].items())
    print(f"{kills} kills {how} a write")
    assert kills >= 15, kills


if __name__ == "__main__":
    path, step, how = sys.argv[1:]
    place = Ground(Path(path).parent)
    place.clock = SystemClock()  # type: ignore[assignment]
    killing = Killing(int(step), how)
    report = place.run(program(place.folder))
    sys.exit(1 if report.troubles else 0)
