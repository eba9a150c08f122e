"""How fast a stage moves records on the embedded store, beside a bare loop and a peer.

One hop: read records of a topic, call a function for each, write what it gives to another topic, with progress,
durably. The floor is a bare loop on the same file format: the same reads, codec, writes and commits, nothing else.
The peer is DBOS Transact on SQLite, one durable step for each record, at a smaller count, as it is slower.

    python bench/hops.py                      all cases, 5 interleaved pairs each, medians
    python bench/hops.py --records 200000 --pairs 3 --case small
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from onward import App, Retry
from onward.codec import Codec, encode, key_summary
from onward.declaration import spec_of
from onward.log import Append, Commit
from onward.plan import Plan
from onward.process import spare_the_collector
from onward.sqlite.connection import PAGES_BEFORE_CHECKPOINT, File
from onward.stores import open_books, open_log
from onward.worker import Worker

CASES = {
    "100 bytes": {"size": 100, "block": 1000, "failing": 0},
    "500 bytes": {"size": 500, "block": 1000, "failing": 0},
    "blocks of 10": {"size": 100, "block": 10, "failing": 0},
    "1 % failing keys": {"size": 100, "block": 1000, "failing": 100},
}
KEYS = 100_000


class Reading(msgspec.Struct):
    key: str
    number: int
    text: str


class Moved(msgspec.Struct):
    key: str
    number: int
    text: str


app = App("bench")
found = app.topic("found", Reading, key="key")
moved = app.topic("moved", Moved, key="key")
failing: set[int] = set()
"""Numbers of the records that fail at their first attempt."""


@app.stage(found, to=moved, retry=Retry(first="50ms", most="50ms"))
def move(reading: Reading) -> Moved:
    if reading.number in failing:
        failing.remove(reading.number)
        raise ValueError("not at the first attempt")
    return Moved(reading.key, reading.number + 1, reading.text)


def reading(number: int, size: int) -> Reading:
    made = Reading(f"k{number % KEYS}", number, "")
    made.text = "x" * (size - len(encode(made)))
    return made


async def prepare(path: Path, records: int, size: int, block: int) -> None:
    """Writes the input in blocks of the given number of records."""
    log = open_log(f"sqlite:///{path}")
    await log.declare(spec_of(app))
    stamp = "2026-01-01T00:00:00.000000Z"
    appends = []
    for start in range(0, records, block):
        rows = []
        for number in range(start, min(start + block, records)):
            value = reading(number, size)
            rows.append((None, value.key, stamp, None, value))
        appends.append(Append(found.name, 0, len(rows), encode(rows), key_summary(row[1] for row in rows)))
        if len(appends) * block >= 100_000:
            await log.commit(Commit(appends=appends))
            appends = []
    if appends:
        await log.commit(Commit(appends=appends))
    await log.close()


def engine(url: str, app: App = app) -> float:
    """Seconds from the worker's start until all in that store is delivered."""

    spare_the_collector()  # as `onward run` does

    async def run() -> float:
        log, books = open_log(url, listen=True), open_books(url)
        worker = Worker([app], log, books, Plan(once=True))
        begun = time.perf_counter()
        report = await worker.run()
        took = time.perf_counter() - begun
        survey = await books.survey()
        left = [f for f in survey.stages if f.end != f.totals.done]
        if report.failed or left:
            raise SystemExit(f"not all was delivered: {report} {left}")
        await log.close()
        await books.close()
        return took

    return asyncio.run(run())


def floor(path: Path) -> float:
    """The least that the same work needs: one loop, one connection, one commit for each thousand records."""
    connection = File(path).connect()
    codec = Codec(Reading)
    pages = 0

    def count(_c: object, _n: str, now: int) -> int:
        nonlocal pages
        pages = now
        return 0

    connection.set_wal_hook(count)
    read = (
        'SELECT "offset", count, CAST(entries AS BLOB) FROM block '
        'WHERE topic = ? AND partition = 0 AND "offset" >= ? ORDER BY "offset"'
    )
    write = (
        'INSERT INTO block (topic, partition, "offset", count, written, nonce, size, keys, entries) '
        "VALUES (?, 0, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))"
    )
    progress = (
        "INSERT INTO progress (stage, partition, first, last, next, count, written, finished, totals) "
        "VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)"
    )
    stamp = "2026-01-01T00:00:00.000000Z"
    begun = time.perf_counter()
    offset = 0
    while True:
        texts, count_read = [], 0
        for _, count_, entries in connection.execute(read, (found.name, offset)):
            texts.append(entries)
            count_read += count_
            if count_read >= 1000:
                break
        if not count_read:
            break
        text = texts[0] if len(texts) == 1 else b"[" + b",".join([part[1:-1] for part in texts]) + b"]"
        rows = []
        for at, (_, _, when, headers, value) in enumerate(codec.decode(text), offset):
            made = move(value)
            rows.append((f"bench.found:0:{at}", made.key, when, headers, made))
        encoded = encode(rows)
        keys = key_summary([row[1] for row in rows])
        end = offset + count_read
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            write, (moved.name, offset, count_read, stamp, os.urandom(4).hex(), len(encoded), keys, encoded)
        )
        connection.execute(
            progress, (f"{app.name}.move", offset, end, end, count_read, stamp, f"[[{offset},{end}]]", "{}")
        )
        connection.execute("COMMIT")
        if pages >= PAGES_BEFORE_CHECKPOINT:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            pages = 0
        offset = end
    return time.perf_counter() - begun


def peer(folder: Path, records: int) -> float:
    """DBOS Transact: a workflow of one step for each record, started one after another."""
    from dbos import DBOS, DBOSConfig

    config: DBOSConfig = {"name": "bench-hops", "system_database_url": f"sqlite:///{folder}/dbos.sqlite"}
    DBOS(config=config)

    @DBOS.step()
    def step(key: str, number: int, text: str) -> dict[str, object]:
        return {"key": key, "number": number + 1, "text": text}

    @DBOS.workflow()
    def workflow(key: str, number: int, text: str) -> dict[str, object]:
        return step(key, number, text)

    DBOS.launch()
    values = [reading(number, 100) for number in range(records)]
    begun = time.perf_counter()
    for value in values:
        workflow(value.key, value.number, value.text)
    took = time.perf_counter() - begun
    DBOS.destroy()
    return took


def child(*arguments: str) -> float:
    """Runs a part in a process of its own, so that none warms another."""
    found = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True, text=True
    ).stdout.splitlines()
    return float(json.loads(found[-1]))


def measure(name: str, records: int, pairs: int, folder: Path) -> float:
    """Prints the rates and ratios of one case; returns the engine's median rate.

    What is compared runs in turn: the engine, the floor and, where the case is a harder form of the first one, the
    engine on that.
    """
    case, plain = CASES[name], CASES["100 bytes"]
    parts = {"engine": case, "floor": case}
    if plain["size"] == case["size"] and case is not plain:
        parts["plain"] = plain
    for part, form in parts.items():
        child("--part", "prepare", str(folder / f"{part}.db"), str(records), str(form["size"]), str(form["block"]))
    rates: dict[str, list[float]] = {part: [] for part in parts}
    for _ in range(pairs):
        for part, form in parts.items():
            path = folder / "run.db"
            for old in folder.glob("run.db*"):
                old.unlink()
            shutil.copyfile(folder / f"{part}.db", path)
            failing_every = form["failing"] if part == "engine" else 0
            what = "floor" if part == "floor" else "engine"
            rates[part].append(records / child("--part", what, str(path), str(records), str(failing_every)))
    for old in folder.glob("*.db*"):
        old.unlink()
    rate = statistics.median(rates["engine"])
    told = f"{name:18} {rate:>12,.0f}/s {statistics.median(rates['floor']):>12,.0f}/s"
    for part, of in (("floor", "the floor"), ("plain", "onward without that")):
        if part in rates:
            ratios = [ours / theirs for ours, theirs in zip(rates["engine"], rates[part], strict=True)]
            told += f"   {statistics.median(ratios):.2f} of {of} ({min(ratios):.2f} to {max(ratios):.2f})"
    print(told, flush=True)
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--case", default="")
    parser.add_argument("--peer-records", type=int, default=300)
    parser.add_argument("--folder", default=None, help="where the files lie; a temporary folder unless said")
    parser.add_argument("--part", nargs="*", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.part:
        return part(*said.part)
    print(f"{'case':18} {'onward':>14} {'bare loop':>14}   {said.records:,} records, medians of {said.pairs} pairs")
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        measured = {name: measure(name, said.records, said.pairs, Path(folder)) for name in CASES if said.case in name}
        if not said.case:
            rate = statistics.median(
                said.peer_records / child("--part", "peer", folder, str(said.peer_records)) for _ in range(3)
            )
            times = measured["100 bytes"] / rate
            print(f"{'DBOS Transact':18} {rate:>12,.0f}/s   onward is {times:,.0f} times as fast")


def part(what: str, *arguments: str) -> None:
    if what == "prepare":
        path, records, size, block = arguments
        print(asyncio.run(prepare(Path(path), int(records), int(size), int(block))) or 0)
    elif what == "peer":
        folder, records = arguments
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        print(json.dumps(peer(Path(folder), int(records))))
    else:
        path, records, every = arguments
        if int(every):
            failing.update(range(0, int(records), int(every)))
        print(json.dumps(engine(f"sqlite:///{path}") if what == "engine" else floor(Path(path))))


if __name__ == "__main__":
    main()
