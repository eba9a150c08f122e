"""What a merge costs beside a bare loop: `python bench/orders.py [--rounds N]`.

The bare loop reads the same file with csv.reader and puts the texts into one table without an index. Both are
one transaction of apsw, WAL and synchronous=FULL. Rounds are interleaved; the medians are shown. Memory is
the peak of a process of its own (on Linux at least what its parent had when it started it).
"""

import argparse
import csv
import gzip
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
from rich.console import Console
from rich.table import Table

from onward_apps.orders.find import find
from onward_apps.orders.merge import merge
from onward_apps.orders.model import Entity, File
from onward_apps.orders.parse import parse
from onward_apps.orders.sample import ENTITIES, FILLS, ORDERS, make_sample


def opened(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-64000")
    return connection


def bare(file: File, entity: Entity, connection: apsw.Connection) -> None:
    columns = [f"c{number}" for number, _ in enumerate(entity.columns)]
    connection.execute(f"CREATE TABLE bare ({', '.join(columns)})")
    with gzip.open(file.path, "rt", encoding="utf-8", newline="") as lines:
        connection.executemany(f"INSERT INTO bare VALUES ({', '.join('?' * len(columns))})", csv.reader(lines))


def timed(work: Callable[[apsw.Connection], object], path: Path) -> float:
    connection = opened(path)
    started = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    work(connection)
    connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return took


def reload(file: File, entity: Entity, tx: apsw.Connection) -> None:
    """The same rows under another name: a delivery of its own, which must change nothing."""
    delivery = merge(msgspec.structs.replace(file, key=f"{file.key}.again"), entity, tx)
    assert not any(delivery.events.values()) and delivery.unchanged == delivery.rows_read


def rounds(file: File, entity: Entity, folder: Path, count: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {"bare": [], "parse only": [], "first load": [], "unchanged reload": []}
    for number in range(count):
        place = folder / f"round-{number}"
        place.mkdir()
        took["bare"].append(timed(lambda tx: bare(file, entity, tx), place / "bare.db"))
        took["parse only"].append(timed(lambda tx: sum(1 for _ in parse(file, entity)), place / "none.db"))
        took["first load"].append(timed(lambda tx: merge(file, entity, tx), place / "target.db"))
        took["unchanged reload"].append(timed(lambda tx: reload(file, entity, tx), place / "target.db"))
        shutil.rmtree(place)
    return took


def measured_alone(file: File, entity: Entity, path: Path, answer: multiprocessing.Queue) -> None:
    before = peak()
    first = timed(lambda tx: merge(file, entity, tx), path)
    after_first = peak()
    second = timed(lambda tx: reload(file, entity, tx), path)
    answer.put((first, second, before, after_first, peak()))


def peak() -> float:
    """MB of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    count = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_sample(folder / "data")
        files = {file.entity: file for file, _ in find(folder / "data", ENTITIES) if file.kind == "LOAD"}
        took = rounds(files[ORDERS.name], ORDERS, folder, count)
        context = multiprocessing.get_context("spawn")
        answer = context.Queue()
        arguments = (files[FILLS.name], FILLS, folder / "fills.db", answer)
        child = context.Process(target=measured_alone, args=arguments)
        child.start()
        first, second, started, peak_first, peak_all = answer.get()
        child.join()
    table = Table("work", "median s", "least", "most", "times bare", title=f"159,967 rows, {count} rounds")
    base = statistics.median(took["bare"])
    for what, seconds in took.items():
        middle = statistics.median(seconds)
        table.add_row(what, f"{middle:.3f}", f"{min(seconds):.3f}", f"{max(seconds):.3f}", f"{middle / base:.2f}")
    big = Table("work", "seconds", "peak MB", title="1,494,975 rows, once, in a process of its own")
    big.add_row("start", "", f"{started:.0f}")
    big.add_row("first load", f"{first:.2f}", f"{peak_first:.0f}")
    big.add_row("unchanged reload", f"{second:.2f}", f"{peak_all:.0f}")
    console = Console()
    console.print(table, big)


if __name__ == "__main__":
    main()
