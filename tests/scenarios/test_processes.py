"""Two processes work on one file, and one is killed.

Given four partitions shared by two processes;
when one of them is killed in the middle of its work;
then the other takes its partitions over at once, as it sees that the process is dead, and everything is delivered
exactly once and in order, as an undisturbed run would have done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from onward import App, Database, Retry
from onward.clock import SystemClock
from scenarios.ground import BOUND, NOW, Ground, environment, sql

RECORDS, KEYS, PARTITIONS = 6_000, 60, 4


def program(folder: Path, pace: float = 0.0) -> App:
    app = App("pair")
    source = app.topic("in", dict, key="key", partitions=PARTITIONS)
    made = app.topic("made", dict, key="key", partitions=PARTITIONS)
    out = app.topic("out", dict, key="key")

    @app.stage(source, to=made, parallel=2, retry=Retry(first="5ms", most="5ms"))
    def make(value: dict) -> dict:
        time.sleep(pace)
        if value["n"] % 211 == 7 and not (folder / f"failed-{value['n']}").exists():
            (folder / f"failed-{value['n']}").touch()
            raise ValueError("once")
        return value

    @app.stage(made, to=out, within=Database(f"sqlite:///{folder}/target.db"))
    def load(value: dict, tx: apsw.Connection) -> dict:
        tx.execute("CREATE TABLE IF NOT EXISTS effect (n INTEGER)")
        tx.execute("INSERT INTO effect VALUES (?)", (value["n"],))
        return value

    return app


def start(ground: Ground) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "scenarios.test_processes", str(ground.path)], env=environment())


def wait_for(ground: Ground, fact: Any, running: list[subprocess.Popen[bytes]]) -> None:
    end = time.monotonic() + BOUND
    while not fact():
        assert time.monotonic() < end, "it did not come about"
        assert all(child.poll() is None for child in running)
        time.sleep(0.01)


def holders(ground: Ground) -> dict[int, int]:
    """How many leases each process holds."""
    found: dict[int, int] = {}
    for worker, until in ground.sql("SELECT worker, until FROM lease"):
        if until:
            found[int(worker.split("/")[1])] = found.get(int(worker.split("/")[1]), 0) + 1
    return found


@pytest.mark.parametrize("at", [0.1, 0.5])
def test_one_is_killed_and_the_other_takes_over(ground: Ground, at: float) -> None:
    app = program(ground.folder)
    for first in range(0, RECORDS, 500):
        ground.put(app, app.topics["pair.in"], *({"key": f"k{n % KEYS}", "n": n} for n in range(first, first + 500)))
    one = start(ground)
    wait_for(ground, lambda: one.pid in holders(ground), [one])
    two = start(ground)
    wait_for(ground, lambda: len(holders(ground)) == 2 or len(ground.values(app.topics["pair.out"])) > 0, [one, two])
    wait_for(ground, lambda: len(ground.values(app.topics["pair.made"])) > RECORDS * at, [one, two])
    os.kill(one.pid, signal.SIGKILL)
    killed = time.monotonic()
    one.wait()
    wait_for(ground, lambda: one.pid not in holders(ground) or two.poll() is not None, [])
    took = time.monotonic() - killed
    assert two.wait(timeout=60) == 0
    assert took < 2.5, "a dead process's lease is not waited for until it is over"

    found = {key: [v["n"] for v in values] for key, values in ground.by_key(app.topics["pair.out"]).items()}
    expected = {f"k{k}": list(range(k, RECORDS, KEYS)) for k in range(KEYS)}
    assert found == expected
    rows: dict[str, list[int]] = {}
    for (n,) in sql(ground.folder / "target.db", "SELECT n FROM effect ORDER BY rowid"):
        rows.setdefault(f"k{n % KEYS}", []).append(n)
    assert rows == expected
    ground.recount(empty=True)


def test_two_that_run_once_and_have_dead_records_both_end(ground: Ground) -> None:
    """Each sees what the other has parked, and does not wait for it for ever."""
    app = program(ground.folder)
    ground.put(app, app.topics["pair.in"], *({"key": f"k{n % KEYS}", "n": n, "dead": True} for n in range(400)))
    children = [start(ground), start(ground)]
    for child in children:
        assert child.wait(timeout=60) == 0
    assert len(ground.values(app.topics["pair.out"])) == 400
    ground.recount(empty=True)


if __name__ == "__main__":
    place = Ground(Path(sys.argv[1]).parent)
    place.clock = SystemClock()  # type: ignore[assignment]
    assert NOW
    report = place.run(program(place.folder, pace=0.0005))
    print(report, file=sys.stderr)
    sys.exit(1 if report.failed else 0)
