"""How fast a stage moves records on a PostgreSQL store, beside bare loops and peers on the same server.

A server of its own is started with its default durability, unless ONWARD_BENCH_POSTGRES names one. What is compared
runs in turn:

- one process beside a bare loop over text blocks: the same reads, codec, writes and commits, and nothing else;
- two processes beside one, over four partitions, each less what the same command takes to begin and to end; beside
  two bare loops, too, as the server has the same cores;
- hand-written loops over a row per job, `FOR UPDATE SKIP LOCKED`, a thousand jobs at a time: one that keeps what is
  done, as Onward does for a week, and one that deletes it;
- Procrastinate: jobs deferred in one batch, a worker that runs several at once;
- DBOS Transact: a workflow of one step for each record, eight at once.

    python bench/hops_postgres.py
    python bench/hops_postgres.py --records 200000 --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from hops import Moved, Reading, engine, reading
from onward import App
from onward.codec import Codec, encode, key_summary
from onward.declaration import spec_of
from onward.log import Append, Commit
from onward.stores import open_log
from onward.topic import partition_of
from servers.postgres import own

SIZE = 100
BLOCK = 1000
FEW = 4
STAMP = "2026-01-01T00:00:00.000000Z"
SETTINGS = ("shared_buffers=1GB", "max_wal_size=8GB")
"""The two that every server of this size has set; all else is the default, so commits are on disk."""

app = App("bench")
found = app.topic("found", Reading, key="key", partitions=4)
moved = app.topic("moved", Moved, key="key", partitions=4)


@app.stage(found, to=moved)
def move(reading: Reading) -> Moved:
    return Moved(reading.key, reading.number + 1, reading.text)


def blocks(records: int) -> Iterator[tuple[int, list[Reading]]]:
    """Partition and values of each block, by key."""
    waiting: dict[int, list[Reading]] = {}
    for number in range(records):
        value = reading(number, SIZE)
        partition = partition_of(value.key, 4)
        gathered = waiting.setdefault(partition, [])
        gathered.append(value)
        if len(gathered) == BLOCK:
            yield partition, waiting.pop(partition)
    yield from waiting.items()


async def prepare(url: str, records: int) -> None:
    """Writes the input into a store, and the same blocks into a plain table."""
    log = open_log(url)
    await log.declare(spec_of(app))
    appends = []
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE floor_in (id bigint, part int, count int, entries text COMPRESSION lz4)")
        for number, (partition, values) in enumerate(blocks(records)):
            text = encode([(None, value.key, STAMP, None, value) for value in values])
            keys = key_summary(value.key for value in values)
            appends.append(Append(found.name, partition, len(values), text, keys))
            row = (number, partition % 2, len(values), text.decode())
            connection.execute("INSERT INTO floor_in VALUES (%s, %s, %s, %s)", row)
            if len(appends) == 100:
                await log.commit(Commit(appends=appends))
                appends = []
        if appends:
            await log.commit(Commit(appends=appends))
        connection.execute("CREATE UNIQUE INDEX ON floor_in (part, id)")
        connection.execute(
            "CREATE TABLE floor_out (part int, id bigint, count int, keys bytea, entries text COMPRESSION lz4,"
            " PRIMARY KEY (part, id))"
        )
        connection.execute("CREATE TABLE floor_progress (part int, next bigint, PRIMARY KEY (part, next))")
    await log.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def floor(url: str, parts: list[int]) -> float:
    """Seconds of a loop over text blocks: a block is read, its values are decoded, moved and encoded, and the block
    and its progress are one commit."""
    codec = Codec(Reading)
    done = 0
    begun = time.perf_counter()
    with psycopg.connect(url, prepare_threshold=1) as connection:
        for part in parts:
            last = -1
            while True:
                one = connection.execute(
                    "SELECT id, count, entries FROM floor_in WHERE part = %s AND id > %s ORDER BY id LIMIT 1",
                    (part, last),
                    binary=True,
                ).fetchone()
                if one is None:
                    connection.commit()
                    break
                last, count, entries = one
                rows = []
                for at, (_, _, when, headers, value) in enumerate(codec.decode(entries.encode()), done):
                    made = move(value)
                    rows.append((f"bench.found:0:{at}", made.key, when, headers, made))
                text = encode(rows)
                keys = key_summary([row[1] for row in rows])
                with connection.pipeline():
                    connection.execute(
                        "INSERT INTO floor_out VALUES (%s, %s, %s, %s, %s)", (part, last, count, keys, text.decode())
                    )
                    connection.execute("INSERT INTO floor_progress VALUES (%s, %s)", (part, last))
                    connection.commit()
                done += count
    return time.perf_counter() - begun


def jobs(url: str, records: int, take: str, done: str) -> float:
    """Seconds of a loop over a row per job, as written by hand, a thousand at a time; `done` ends those with `ids`."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE job (id bigserial PRIMARY KEY, stage text NOT NULL, state text NOT NULL DEFAULT 'ready',"
            " key text, value jsonb NOT NULL, finished timestamptz)"
        )
        connection.execute("CREATE INDEX ON job (stage, id) WHERE state = 'ready'")
        with connection.cursor().copy("COPY job (stage, key, value) FROM STDIN") as copy:
            for number in range(records):
                value = reading(number, SIZE)
                copy.write_row(("move", value.key, encode(value).decode()))
        connection.commit()
        read = msgspec.json.Decoder(Reading).decode
        begun = time.perf_counter()
        with connection.cursor() as cursor:
            while taken := cursor.execute(take).fetchall():
                out = []
                for _, key, text in taken:
                    made = move(read(text.encode()))
                    out.append((key, encode(made).decode()))
                cursor.executemany("INSERT INTO job (stage, key, value) VALUES ('next', %s, %s)", out)
                if done:
                    cursor.execute(done, ([id_ for id_, _, _ in taken],))
                connection.commit()
        return time.perf_counter() - begun


READY = "SELECT id{} FROM job WHERE stage = 'move' AND state = 'ready' ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED"


def jobs_kept(url: str, records: int) -> float:
    """Jobs that are done stay, as Onward's records do."""
    done = "UPDATE job SET state = 'done', finished = clock_timestamp() WHERE id = ANY(%s)"
    return jobs(url, records, READY.format(", key, value::text"), done)


def jobs_deleted(url: str, records: int) -> float:
    """Jobs that are done are gone, and nothing tells of them."""
    take = f"DELETE FROM job WHERE id IN ({READY.format('')}) RETURNING id, key, value::text"
    return jobs(url, records, take, "")


def procrastinate(url: str, records: int) -> float:
    """Seconds of Procrastinate: jobs deferred in one batch, one worker with thirty at once."""
    import procrastinate as peer

    queue = peer.App(connector=peer.PsycopgConnector(conninfo=url, max_size=20))

    @queue.task(name="move")
    async def move_one(key: str, number: int, text: str) -> None:
        move(Reading(key, number, text))

    async def run() -> float:
        async with queue.open_async():
            await queue.schema_manager.apply_schema_async()
            values = [reading(number, SIZE) for number in range(records)]
            await move_one.batch_defer_async(*({"key": v.key, "number": v.number, "text": v.text} for v in values))
            begun = time.perf_counter()
            await queue.run_worker_async(wait=False, concurrency=30, install_signal_handlers=False)
            return time.perf_counter() - begun

    return asyncio.run(run())


def dbos(url: str, records: int) -> float:
    """Seconds of DBOS Transact: a workflow of one step for each record, eight at once."""
    from dbos import DBOS, DBOSConfig

    config: DBOSConfig = {"name": "bench-postgres", "system_database_url": url}
    DBOS(config=config)

    @DBOS.step()
    def step(key: str, number: int, text: str) -> dict[str, object]:
        return {"key": key, "number": number + 1, "text": text}

    @DBOS.workflow()
    def workflow(key: str, number: int, text: str) -> dict[str, object]:
        return step(key, number, text)

    DBOS.launch()
    values = [reading(number, SIZE) for number in range(records)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: workflow(value.key, value.number, value.text), values))
    took = time.perf_counter() - begun
    DBOS.destroy()
    return took


PEERS = {"jobs kept": jobs_kept, "jobs deleted": jobs_deleted, "procrastinate": procrastinate, "dbos": dbos}


def command(folder: Path, url: str, *arguments: str) -> float:
    """Seconds of `onward` with this program."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "ONWARD_LOG": "error", "ONWARD_STORE": url}
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "onward", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begun


def at_once(*parts: list[str]) -> float:
    """Seconds of the slowest of several parts, each in a process of its own."""
    running = [
        subprocess.Popen([sys.executable, __file__, "--part", *part], stdout=subprocess.PIPE, text=True)
        for part in parts
    ]
    found = [process.communicate()[0].splitlines() for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"a part of {parts} failed")
    return max(float(json.loads(lines[-1])) for lines in found)


@contextlib.contextmanager
def fresh(server: str) -> Iterator[str]:
    """A database that is there for one measurement."""
    name = f"bench_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def stages(server: str, records: int, rounds: int, folder: Path) -> float:
    """One process beside the bare loop, and two beside one; returns the rate of one process."""
    (folder / "program.py").write_text("from hops_postgres import app\n")
    rates: dict[str, list[float]] = {"onward": [], "loop": [], "one": [], "two": [], "two loops": []}
    for _ in range(rounds):
        with fresh(server) as url:
            asyncio.run(prepare(url, records))
            rates["loop"].append(records / at_once(["floor", url, "0,1"]))
            rates["onward"].append(records / at_once(["engine", url]))
        for name, count in (("one", "1"), ("two", "2")):
            run = ("run", "program.py", "--once", "--processes", count)
            with fresh(server) as url:  # what it takes to begin and to end, where there is next to nothing to do
                asyncio.run(prepare(url, FEW))
                start = command(folder, url, *run)
            with fresh(server) as url:
                asyncio.run(prepare(url, records))
                if name == "two":
                    rates["two loops"].append(records / at_once(["floor", url, "0"], ["floor", url, "1"]))
                took = command(folder, url, *run)
                rates[name].append((records - FEW) / (took - start))
    median = {name: statistics.median(found) for name, found in rates.items()}
    print(f"bare loop, one process      {median['loop']:>10,.0f}/s")
    print(f"bare loops, two processes   {median['two loops']:>10,.0f}/s   {ratio(rates, 'two loops', 'loop')} of one")
    print(f"onward, one process         {median['onward']:>10,.0f}/s   {ratio(rates, 'onward', 'loop')} of the loop")
    print(f"onward, as a command        {median['one']:>10,.0f}/s")
    print(
        f"onward, two processes       {median['two']:>10,.0f}/s   {ratio(rates, 'two', 'one')} of one, "
        f"{ratio(rates, 'two', 'loop')} of a bare loop, {ratio(rates, 'two', 'two loops')} of two",
        flush=True,
    )
    return median["onward"]


def ratio(rates: dict[str, list[float]], of: str, to: str) -> str:
    ratios = [ours / theirs for ours, theirs in zip(rates[of], rates[to], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def peers(server: str, rate: float, rounds: int, counts: dict[str, int]) -> None:
    for name, records in counts.items():
        rates = []
        for _ in range(rounds):
            with fresh(server) as url:
                rates.append(records / at_once([name, url, str(records)]))
        found = statistics.median(rates)
        print(f"{name:27} {found:>10,.0f}/s   onward is {rate / found:,.0f} times as fast", flush=True)


def part(what: str, url: str, *arguments: str) -> None:
    if what == "engine":
        took = engine(url, app)
    elif what == "floor":
        took = floor(url, [int(number) for number in arguments[0].split(",")])
    else:
        took = PEERS[what](url, int(arguments[0]))
    print(json.dumps(took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", nargs="*", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.part:
        return part(*said.part)
    print(
        f"{said.records:,} records of {SIZE} bytes in blocks of {BLOCK:,}, medians of {said.rounds} rounds", flush=True
    )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = os.environ.get("ONWARD_BENCH_POSTGRES") or stack.enter_context(own(*SETTINGS)).url()
        rate = stages(server, said.records, said.rounds, folder)
        peers(server, rate, 3, {"jobs kept": 100_000, "jobs deleted": 100_000, "procrastinate": 2_000, "dbos": 1_000})


if __name__ == "__main__":
    main()
