"""What a merge costs: `python bench/orders.py [--rounds N] [--peers]`.

Into SQLite beside a bare loop, which reads the same file with csv.reader and puts the texts into one table without an
index; both are one transaction of apsw, WAL and synchronous=FULL.

Into PostgreSQL beside psql: `gzip -dc | psql \\copy` of the same rows into two tables without an index, and into a
temporary one; and (`--peers`) beside dlt's merge of the file. The server is as installed, but for two settings of its
size, so that a commit is on disk.

Rounds are interleaved; the medians are shown. Memory is the peak of a process of its own (on Linux at least what its
parent had when it started it).
"""

import argparse
import csv
import gzip
import multiprocessing
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import psycopg
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from onward_apps.orders.find import find
from onward_apps.orders.merge import merge
from onward_apps.orders.model import Entity, File
from onward_apps.orders.parse import parse, pieces
from onward_apps.orders.sample import ENTITIES, FILLS, ORDERS, make_sample
from onward_apps.orders.tables import Tables, tables_of
from onward_apps.orders.targets.stored import in_postgres as type_of
from servers.postgres import own

SETTINGS = ("shared_buffers=1GB", "max_wal_size=8GB")
SCHEMA = "bench"
WAYS = ("records", "arrow")

Took = dict[str, list[float]]


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def reload(file: File, entity: Entity, tables: Tables) -> None:
    """The same rows under another name: a delivery of its own, which must change nothing."""
    delivery = merge(msgspec.structs.replace(file, key=f"{file.key}.again"), entity, tables)
    assert not any(delivery.events.values()) and delivery.unchanged == delivery.rows_read


# SQLite


def in_sqlite(work: Callable[[apsw.Connection], object], path: Path) -> float:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-64000")

    def transaction() -> None:
        connection.execute("BEGIN IMMEDIATE")
        work(connection)
        connection.execute("COMMIT")

    took = timed(transaction)
    connection.close()
    return took


def bare(file: File, entity: Entity, connection: apsw.Connection) -> None:
    columns = [f"c{number}" for number, _ in enumerate(entity.columns)]
    connection.execute(f"CREATE TABLE bare ({', '.join(columns)})")
    with gzip.open(file.path, "rt", encoding="utf-8", newline="") as lines:
        connection.executemany(f"INSERT INTO bare VALUES ({', '.join('?' * len(columns))})", csv.reader(lines))


def sqlite_rounds(file: File, entity: Entity, folder: Path, count: int) -> Took:
    took: Took = {"bare": [], "parse only": [], "first load": [], "unchanged reload": []}
    for number in range(count):
        place = folder / f"round-{number}"
        place.mkdir()
        took["bare"].append(in_sqlite(lambda tx: bare(file, entity, tx), place / "bare.db"))
        took["parse only"].append(timed(lambda: sum(1 for _ in parse(file, entity))))
        took["first load"].append(in_sqlite(lambda tx: merge(file, entity, tables_of(tx, "")), place / "target.db"))
        took["unchanged reload"].append(
            in_sqlite(lambda tx: reload(file, entity, tables_of(tx, "")), place / "target.db")
        )
        shutil.rmtree(place)
    return took


# PostgreSQL


def in_postgres(work: Callable[[Tables], object], url: str) -> float:
    """In one transaction, on a connection that was open before."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")

        def transaction() -> None:
            with connection.transaction():
                work(tables_of(connection, SCHEMA))

        return timed(transaction)


def psql(url: str, file: File, *commands: str) -> float:
    """`gzip -dc | psql`, which reads the file where a command says so."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    words = [word for command in commands for word in ("-c", command)]

    def run() -> None:
        with subprocess.Popen(["gzip", "-dc", file.path], stdout=subprocess.PIPE) as unpacked:
            subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", url, *words], stdin=unpacked.stdout, check=True)

    return timed(run)


def columns_of(entity: Entity) -> str:
    return ", ".join(f"{column.name} {type_of(column)}" for column in entity.fields)


def two_bare(url: str, file: File, entity: Entity) -> float:
    make = [f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({columns_of(entity)})" for name in ("bare1", "bare2")]
    for each in make:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(each)
    return sum(psql(url, file, f"\\copy {name} FROM pstdin CSV") for name in ("bare1", "bare2"))


def temporary(url: str, file: File, entity: Entity) -> float:
    make = f"CREATE TEMPORARY TABLE bare ({columns_of(entity)})"
    return psql(url, file, make, "\\copy bare FROM pstdin CSV")


def emptied(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def postgres_rounds(file: File, entity: Entity, url: str, count: int, peers: bool) -> Took:
    took: Took = {name: [] for name in ("psql, two tables", "first load", "psql, temporary", "unchanged reload")}
    took["reading only"] = []
    if peers:
        took |= {f"dlt by {way}, {what}": [] for way in WAYS for what in ("first", "again")}
    for _ in range(count):
        emptied(url)
        took["psql, two tables"].append(two_bare(url, file, entity))
        took["first load"].append(in_postgres(lambda tables: merge(file, entity, tables), url))
        took["psql, temporary"].append(temporary(url, file, entity))
        took["unchanged reload"].append(in_postgres(lambda tables: reload(file, entity, tables), url))
        took["reading only"].append(timed(lambda: sum(1 for _ in pieces(file, entity))))
        if peers:
            from peers_orders import Merge

            for way in WAYS:
                merged = Merge(url, file, entity, way)
                took[f"dlt by {way}, first"].append(timed(merged.run))
                took[f"dlt by {way}, again"].append(timed(merged.run))
                merged.forget()
    return took


# memory


def measured_alone(file: File, entity: Entity, target: str, answer: multiprocessing.Queue) -> None:
    """In a process of its own; `target` is a path or a URL."""

    def inside(work: Callable[[Tables], object]) -> float:
        if "://" in target:
            return in_postgres(work, target)
        return in_sqlite(lambda tx: work(tables_of(tx, "")), Path(target))

    before = peak()
    first = inside(lambda tables: merge(file, entity, tables))
    after_first = peak()
    second = inside(lambda tables: reload(file, entity, tables))
    answer.put((first, second, before, after_first, peak()))


def peak() -> float:
    """MB of this process at most so far. By what Linux says of its memory: what is said of it as a child of another
    counts the other, which has all peers loaded."""
    if (status := Path("/proc/self/status")).exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def alone(file: File, target: str) -> Table:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    child = context.Process(target=measured_alone, args=(file, FILLS, target, answer))
    child.start()
    first, second, started, peak_first, peak_all = answer.get()
    child.join()
    table = Table("work", "seconds", "peak MB", title="1,494,975 rows, once, in a process of its own")
    table.add_row("start", "", f"{started:.0f}")
    table.add_row("first load", f"{first:.2f}", f"{peak_first:.0f}")
    table.add_row("unchanged reload", f"{second:.2f}", f"{peak_all:.0f}")
    return table


def shown(took: Took, title: str, beside: dict[str, str]) -> Table:
    """`beside`: what each is measured against; the first of all unless said."""
    table = Table("work", "median s", "least", "most", "times", "of", title=title)
    middle = {what: statistics.median(seconds) for what, seconds in took.items()}
    first = next(iter(took))
    for what, seconds in took.items():
        base = beside.get(what, first)
        times = f"{middle[what] / middle[base]:.2f}"
        table.add_row(what, f"{middle[what]:.3f}", f"{min(seconds):.3f}", f"{max(seconds):.3f}", times, base)
    return table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--peers", action="store_true", help="beside dlt, too")
    arguments.add_argument("--only", choices=["sqlite", "postgres"])
    given = arguments.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_sample(folder / "data")
        files = {file.entity: file for file, _ in find(folder / "data", ENTITIES) if file.kind == "LOAD"}
        orders, fills = files[ORDERS.name], files[FILLS.name]
        if given.only != "postgres":
            took = sqlite_rounds(orders, ORDERS, folder, given.rounds)
            console.print(shown(took, f"SQLite, 159,967 rows, {given.rounds} rounds", {}))
            console.print(alone(fills, str(folder / "fills.db")))
        if given.only != "sqlite":
            with own(*SETTINGS) as server:
                url = server.create("bench")
                took = postgres_rounds(orders, ORDERS, url, given.rounds, given.peers)
                beside = dict.fromkeys(("psql, temporary", "unchanged reload", "reading only"), "psql, temporary")
                beside |= {f"dlt by {way}, first": "first load" for way in WAYS}
                beside |= {f"dlt by {way}, again": "unchanged reload" for way in WAYS}
                console.print(shown(took, f"PostgreSQL, 159,967 rows, {given.rounds} rounds", beside))
                console.print(f"1,494,975 rows by psql: two tables {two_bare(url, fills, FILLS):.2f} s,", end=" ")
                console.print(f"a temporary one {temporary(url, fills, FILLS):.2f} s")
                emptied(url)
                console.print(alone(fills, url))


if __name__ == "__main__":
    main()
