"""Whether a PostgreSQL store holds its rate: `python bench/soak.py [--minutes 30] [--share 0.5]`, or `make soak`.

Two workers drain what a producer puts at half the rate that they reach on a backlog (measured first). Meanwhile a
reader holds a REPEATABLE READ snapshot open from beginning to end, each minute one worker is killed by kill -9 and
another one started, and half a percent of the records fail at their first attempt. At the end: the records done in the
last minute beside those in the first, dead tuples beside parkings, and what `onward audit` says.

A server of its own is started with its default durability, unless ONWARD_BENCH_POSTGRES names one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console

from hops import Moved, Reading
from hops_postgres import BLOCK, SETTINGS, STAMP, blocks, fresh

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from onward import App, Record, Retry
from onward.codec import encode, key_summary
from onward.declaration import spec_of
from onward.log import Append, Commit, Log
from onward.stores import open_books, open_log
from servers.postgres import own

FAILING = 200
"""One record in so many fails at its first attempt."""
KILLED_AFTER = 60.0

app = App("soak")
found = app.topic("found", Reading, key="key", partitions=4)
moved = app.topic("moved", Moved, key="key", partitions=4)


@app.stage(found, to=moved, retry=Retry(first="200ms", most="1s"))
def move(record: Record[Reading]) -> Moved:
    value = record.value
    if value.number % FAILING == 0 and record.attempt == 1:
        raise ValueError("not at the first attempt")
    return Moved(value.key, value.number + 1, value.text)


class Workers:
    """Two processes of `onward run`; what they say goes to a file."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        (folder / "program.py").write_text("from soak import app\n")
        self._running: list[subprocess.Popen[bytes]] = []
        self.kills = 0

    def start(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parent),
            "ONWARD_LOG": "error",
            "ONWARD_STORE": self._url,
        }
        with open(self._folder / "said", "ab") as said:
            self._running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "onward", "run", "program.py"],
                    cwd=self._folder,
                    env=environment,
                    stdout=said,
                    stderr=said,
                )
            )

    def kill(self) -> None:
        """Kills one of them as a machine does that runs out of memory, and starts another."""
        victim = self._running.pop(random.randrange(len(self._running)))
        victim.kill()
        victim.wait()
        self.kills += 1
        self.start()

    def stop(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            process.wait(60)
        self._running.clear()

    @property
    def living(self) -> bool:
        return all(process.poll() is None for process in self._running)


class Producer:
    """Puts records in blocks of a thousand, no faster than it is told."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._blocks = blocks(1 << 40)
        self.put = 0

    async def give(self, records: int) -> None:
        """Puts so many more, a few blocks in a commit."""
        end = self.put + records
        while self.put < end:
            appends = []
            while len(appends) < 8 and self.put < end:
                partition, values = next(self._blocks)
                text = encode([(None, value.key, STAMP, None, value) for value in values])
                keys = key_summary(value.key for value in values)
                appends.append(Append(found.name, partition, len(values), text, keys))
                self.put += len(values)
            await self._log.commit(Commit(appends=appends))


async def done(url: str) -> int:
    """Records that the stage has done so far."""
    books = open_books(url)
    try:
        return sum(fact.totals.done for fact in (await books.survey()).stages)
    finally:
        await books.close()


async def until_done(url: str, records: int, seconds: float) -> None:
    """Waits, bounded, until so many records are done."""
    end = time.monotonic() + seconds
    while (so_far := await done(url)) < records:
        if time.monotonic() > end:
            raise SystemExit(f"{so_far:,} of {records:,} records are done after {seconds:.0f} s")
        await asyncio.sleep(0.2)


async def top_rate(url: str, folder: Path, seconds: float) -> float:
    """The rate at which two workers drain a backlog that does not end, on a store of its own."""
    log = open_log(url)
    await log.declare(spec_of(app))
    producer = Producer(log)
    await producer.give(int(seconds * 300_000))
    workers = Workers(folder, url)
    workers.start()
    workers.start()
    await until_done(url, 1, 60)
    before, begun = await done(url), time.monotonic()
    while time.monotonic() - begun < seconds and await done(url) < producer.put:
        await asyncio.sleep(0.2)
    rate = (await done(url) - before) / (time.monotonic() - begun)
    workers.stop()
    await log.close()
    return rate


def counts(url: str) -> tuple[int, int]:
    """Dead tuples in the store's tables, and rows that were ever written to `parked`."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT sum(n_dead_tup)::bigint, sum(n_tup_ins) FILTER (WHERE relname = 'parked')::bigint"
            " FROM pg_stat_user_tables WHERE schemaname = 'onward'"
        ).fetchone()
    assert row is not None
    return row


async def soak(url: str, folder: Path, rate: float, minutes: int, show: Callable[[str], None]) -> list[float]:
    """Runs it; gives the records done in each minute."""
    log = open_log(url)
    await log.declare(spec_of(app))
    producer, workers = Producer(log), Workers(folder, url)
    workers.start()
    workers.start()
    per_minute: list[float] = []
    with psycopg.connect(url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM onward.lease")
        begun = time.monotonic()
        last, killed = 0, 0
        while len(per_minute) < minutes:
            due = (time.monotonic() - begun) * rate
            if producer.put < due:
                await producer.give(min(int(due) - producer.put, 8 * BLOCK) or 1)
            else:
                await asyncio.sleep(BLOCK / rate)
            passed = time.monotonic() - begun
            if passed > 60 * (len(per_minute) + 1):
                now = await done(url)
                per_minute.append(now - last)
                last = now
                dead, parked = counts(url)
                text = (
                    f"minute {len(per_minute):>2}: {per_minute[-1] / 60:>9,.0f}/s done, {producer.put - now:>9,} behind"
                )
                show(f"{text}, {dead:>9,} dead tuples, {parked:>9,} parkings, {workers.kills} kills")
                if not workers.living:
                    raise SystemExit(f"a worker has ended: {(folder / 'said').read_text()[-2000:]}")
            if passed > KILLED_AFTER * (killed + 0.5):
                workers.kill()
                killed += 1
        await until_done(url, producer.put, 300)
        reader.rollback()
    workers.stop()
    await log.close()
    return per_minute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--share", type=float, default=0.5, help="of the top rate")
    parser.add_argument("--rate", type=float, default=0, help="records a second, instead of a share of the top rate")
    said = parser.parse_args()
    show = Console(highlight=False, soft_wrap=True).print
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = os.environ.get("ONWARD_BENCH_POSTGRES") or stack.enter_context(own(*SETTINGS)).url()
        rate = said.rate
        if not rate:
            with fresh(server) as url:
                top = asyncio.run(top_rate(url, folder, 20))
            rate = top * said.share
            show(f"top rate {top:,.0f}/s, so {rate:,.0f}/s for {said.minutes} minutes")
        with fresh(server) as url:
            per_minute = asyncio.run(soak(url, folder, rate, said.minutes, show))
            dead, parked = counts(url)
            ratio, tuples = per_minute[-1] / per_minute[0], dead / max(parked, 1)
            audit = subprocess.run(
                [sys.executable, "-m", "onward", "audit", "--store", url], capture_output=True, text=True, check=False
            )
            show(f"last minute: {ratio:.2f} of the first (wanted: 0.9)")
            show(f"dead tuples: {tuples:.2f} times the parkings (wanted: at most 2.5)")
            show(f"audit: {'clean' if audit.returncode == 0 else audit.stdout + audit.stderr}")
            if ratio < 0.9 or tuples > 2.5 or audit.returncode:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
