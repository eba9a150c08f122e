"""How fast one looks into a large store: `onward status` and `onward trace`, beyond `onward --version`.

A store is built on request: records with a key each in a topic, and what a stage made of them in a second one, in
blocks and commits as a worker leaves them. One record in ten million has the key `needle`, one in a hundred `hot`.

    python bench/look.py                          ten million records (five million in each topic), built anew
    python bench/look.py --records 100000
    python bench/look.py --store /tmp/look.db     built there if it is not there, and kept
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from onward import App
from onward.codec import encode, key_summary
from onward.declaration import spec_of
from onward.log import Append, Commit, Totals
from onward.logs.sqlite import SQLiteLog

BOUNDS = {"status": 0.05, "trace": 1.0}
"""Seconds beyond `onward --version`."""


class Reading(Struct):
    key: str
    number: int
    text: str


app = App("look")
found = app.topic("found", Reading, key="key")
moved = app.topic("moved", Reading, key="key")
STAMP = "2026-01-01T00:00:00.000000Z"


@app.stage(found, to=moved)
def move(reading: Reading) -> Reading:
    return reading


def key_of(number: int, half: int) -> str:
    if number == half // 3:
        return "needle"
    return "hot" if number % 100 == 0 else f"k{number * 7919 % half}"


async def build(path: Path, records: int, block: int) -> None:
    """Writes half of the records as input and half as what the stage made of them."""
    half = records // 2
    log = SQLiteLog(f"sqlite:///{path}")
    await log.declare(spec_of(app))
    claim = await log.claim("look.move", 0, "bench", 10.0)
    assert claim is not None
    for start in range(0, half, block):
        numbers = range(start, min(start + block, half))
        values = [Reading(key_of(number, half), number, "x" * 100) for number in numbers]
        keys = key_summary(value.key for value in values)
        rows = [(None, value.key, STAMP, None, value) for value in values]
        await log.commit(Commit(appends=[Append(found.name, 0, len(rows), encode(rows), keys)]))
        made = [(f"{found.name}:0:{value.number}", value.key, STAMP, None, value) for value in values]
        end = numbers.stop
        append = Append(moved.name, 0, len(made), encode(made), keys, (start, end))
        totals = Totals(end, 0, {moved.name: end})
        await log.commit(Commit(lease=claim.lease, appends=[append], finished=[(start, end)], next=end, totals=totals))
    await log.renew({claim.lease: ""}, 0)
    await log.close()


def seconds(*arguments: str) -> float:
    """Of a command that finds what it was asked for, or says that it is not there."""
    begun = time.perf_counter()
    ended = subprocess.run([sys.executable, "-m", "onward", *arguments], capture_output=True, check=False)
    took = time.perf_counter() - begun
    if ended.returncode not in (0, 1):
        raise SystemExit(f"onward {' '.join(arguments)} ended with {ended.returncode}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--block", type=int, default=1_000, help="records of a block")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", type=Path, default=None, help="a file to use, or to build and keep")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = said.store or Path(folder) / "look.db"
        if not path.exists():
            begun = time.perf_counter()
            asyncio.run(build(path, said.records, said.block))
            size, took = path.stat().st_size / 1e9, time.perf_counter() - begun
            print(f"built {said.records:,} records, {size:.2f} GB, in {took:.0f} s")
        measure(path, said.records, said.rounds)


def measure(path: Path, records: int, rounds: int) -> None:
    """Prints each command's median beyond `--version`; exit code 1 where one is slower than it may be."""
    half = records // 2
    url = f"sqlite:///{path.resolve()}"
    commands = {
        "status": ["status"],
        "trace of a rare key": ["trace", "needle"],
        "trace of a key in every block": ["trace", "hot"],
        "trace of a key that is nowhere": ["trace", "nobody"],
        "trace of the first position": ["trace", f"{found.name}:0:0"],
        "trace of a position in the middle": ["trace", f"{found.name}:0:{half // 2}"],
        "trace back from an output": ["trace", f"{moved.name}:0:{half // 2 + 7}"],
    }
    plain = statistics.median(seconds("--version") for _ in range(rounds))
    print(f"{'onward --version':36} {plain * 1000:7.0f} ms")
    slow = []
    for name, arguments in commands.items():
        took = statistics.median(seconds(*arguments, "--store", url) for _ in range(rounds)) - plain
        bound = BOUNDS[arguments[0]]
        print(f"{name:36} {took * 1000:7.0f} ms beyond, at most {bound * 1000:.0f} ms", flush=True)
        slow += [name] if took > bound else []
    raise SystemExit(1 if slow else 0)


if __name__ == "__main__":
    main()
