"""How long one record takes through an idle stage on the embedded store, and what an idle worker costs.

A client in one process puts a record and waits until it is committed in the output topic; the worker runs in
another process. Timed from the moment when the put is on disk to the moment when the stage's commit is, by the
time stamps that both processes take of one monotonic clock. Beside it: one fsync of the same disk, measured in
the same run, and the same with a second, busy process that commits on the same file without a pause.

    python bench/latency.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from onward import App
from onward.codec import encode
from onward.declaration import spec_of
from onward.events import Committed
from onward.log import Append, Commit
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan
from onward.worker import Worker


class Ping(msgspec.Struct):
    number: int


class Pong(msgspec.Struct):
    number: int


app = App("bench")
pings = app.topic("pings", Ping)
pongs = app.topic("pongs", Pong)
noise = app.topic("noise", Ping)


@app.stage(pings, to=pongs)
def answer(ping: Ping) -> Pong:
    return Pong(ping.number)


def fsync(folder: Path, times: int = 200) -> list[float]:
    """Seconds of one fdatasync after a small write, as a commit does it."""
    found = []
    handle = os.open(folder / "fsync", os.O_CREAT | os.O_RDWR)
    for at in range(times):
        os.pwrite(handle, b"x" * 16384, at * 16384)
        begun = time.perf_counter()
        os.fdatasync(handle)
        found.append(time.perf_counter() - begun)
    os.close(handle)
    return found


async def work(url: str) -> None:
    """The worker: prints the instant of each commit of the stage."""
    log, books = SQLiteLog(url, listen=True), SQLiteBooks(url)

    def see(event: object) -> None:
        if isinstance(event, Committed) and event.finished:
            print(time.monotonic(), flush=True)

    worker = Worker([app], log, books, Plan(), observers=[see])
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), worker.stop)
    await worker.run()
    await log.close()
    await books.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(used.ru_utime + used.ru_stime), flush=True)


async def busy(url: str) -> None:
    """Commits a thousand records again and again until it is told to end."""
    log = SQLiteLog(url)
    await log.declare(spec_of(app))
    stamp = "2026-01-01T00:00:00.000000Z"
    block = Append(noise.name, 0, 1000, encode([(None, None, stamp, None, Ping(i)) for i in range(1000)]), None)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    while not ended.is_set():
        await log.commit(Commit(appends=[block]))
    await log.close()


def started(part: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--part", part, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate("\n", timeout=60)
    return out


async def ping(url: str, worker: subprocess.Popen[str], times: int) -> list[float]:
    log = SQLiteLog(url)
    stamp = "2026-01-01T00:00:00.000000Z"
    found = []
    assert worker.stdout is not None
    for number in range(times + 20):
        await asyncio.sleep(0.01)
        entries = encode([(None, None, stamp, None, Ping(number))])
        await log.commit(Commit(appends=[Append(pings.name, 0, 1, entries, None)]))
        begun = time.monotonic()
        told = await asyncio.to_thread(worker.stdout.readline)
        if number >= 20:
            found.append(float(told) - begun)
    await log.close()
    return found


def shown(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    middle, late = statistics.median(ordered), ordered[int(len(ordered) * 0.99) - 1]
    print(f"{name:34} median {middle * 1000:7.3f} ms   99th percentile {late * 1000:7.3f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch an idle worker")
    parser.add_argument("--folder", default=None)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.part:
        return asyncio.run({"work": work, "busy": busy}[said.part[0]](said.part[1]))
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        url = f"sqlite:///{folder}/store.db"
        asyncio.run(declared(url))
        worker = started("work", url)
        shown("one fsync", fsync(Path(folder)))
        shown("idle stage", asyncio.run(ping(url, worker, said.times)))
        second = started("busy", url)
        shown("beside a busy process", asyncio.run(ping(url, worker, said.times)))
        ended(second)
        ended(worker)
        worker = started("work", url)
        first = ended_after(worker, 2.0)
        worker = started("work", url)
        cpu = ended_after(worker, 2.0 + said.idle) - first
        print(f"{'idle worker':34} {100 * cpu / said.idle:.2f} % of a core over {said.idle:g} s")


async def declared(url: str) -> None:
    log = SQLiteLog(url)
    await log.declare(spec_of(app))
    await log.close()


def ended_after(worker: subprocess.Popen[str], seconds: float) -> float:
    time.sleep(seconds)
    return float(ended(worker).splitlines()[-1])


if __name__ == "__main__":
    main()
