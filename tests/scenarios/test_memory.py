"""A worker stays inside its byte budget.

Given a budget, and backlogs that are many times larger: of many records, large ones, very large ones, in many
partitions, and of few records that each become many;
when processes of their own bring and deliver them;
then the most memory that each ever had is within the budget, generously (a third more).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onward import App, Checkpoint
from scenarios.ground import Ground, environment

MEMORY = 120_000_000

CASES = {
    # records, bytes of each, partitions, outputs of each, the most bytes of a record
    "many": (150_000, 200, 1, 1, "1MB"),
    "large": (150, 900_000, 1, 1, "1MB"),
    "very large": (16, 7_000_000, 1, 1, "8MB"),
    "large in many partitions": (160, 900_000, 32, 1, "1MB"),
    "many in many partitions": (30_000, 1_000, 48, 1, "1MB"),
    "each becomes many": (300, 4_000, 1, 120, "1MB"),
}


def program(case: str) -> App:
    count, size, partitions, outputs, most = CASES[case]
    app = App("memory")
    first = app.topic("first", dict, key="n", partitions=partitions, max_record=most)
    second = app.topic("second", dict, key="n", partitions=partitions, max_record=most)

    @app.source(to=first, every="1h")
    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, count):
            text = os.urandom(size // 2).hex() if size > 5_000 else ""
            yield {"n": n, "text": text, "parts": [f"part {i:05}" for i in range(0 if text else size // 13)]}
            yield Checkpoint(n + 1)

    if outputs == 1:

        @app.stage(first, to=second)
        def deliver(value: dict) -> dict:
            return value

    else:

        @app.stage(first, to=second, name="deliver")
        def deliver_many(value: dict) -> Iterator[dict]:
            for _ in range(outputs):
                yield value

    return app


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process had at the most is asked of Linux")
@pytest.mark.parametrize("case", CASES)
def test_the_most_memory_of_a_process(ground: Ground, case: str) -> None:
    for part in ("memory.bring", "memory.deliver"):
        command = [sys.executable, "-m", "scenarios.test_memory", str(ground.path), case, part]
        child = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
        most = int(child.stdout.split()[-1])
        assert most <= MEMORY * 4 // 3, f"{part} had {most / 1e6:.0f} MB"
    count, _, _, outputs, _ = CASES[case]
    assert ground.sql("SELECT sum(count) FROM block WHERE topic = 'memory.second'") == [(count * outputs,)]


if __name__ == "__main__":
    path, case_, part_ = sys.argv[1:]
    ground_ = Ground(Path(path).parent, Path(path).name)
    ground_.seen.clear()
    report = ground_.run(program(case_), memory=MEMORY, stages=(part_,))
    # Not what the system counts for a child, which is at least what its parent had when it started it.
    [most] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    print(int(most.split()[1]) * 1024)
    raise SystemExit(int(report.failed))
