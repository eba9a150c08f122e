"""The program that the campaign kills: a source with checkpoints, a stage with failing keys, a stage within a
database, and an end topic. As a script it runs the app once, dying at a given step of writing to disk.

    python -m tests.kills.program FOLDER STEP before|after|torn [POSTGRES]

Where the database that it commits within is on PostgreSQL the steps are what it asks of that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from onward import App, Checkpoint, Database, Drop, Record, Retry
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan
from onward.targets.postgres_connection import Lent
from onward.worker import Worker

RECORDS = 240
KEYS = 12


class Made(Struct):
    key: str
    number: int


class Mended(Struct):
    key: str
    number: int


class Told(Struct):
    key: str
    number: int


class Settings(Struct):
    target: str = ""


app = App("kills")
app.settings(Settings)
made = app.topic("made", Made, key="key", partitions=2)
mended = app.topic("mended", Mended, key="key")
told = app.topic("told", Told, key="key")


@app.source(to=made)
def make(cursor: int | None) -> Iterator[Made | Checkpoint]:
    for number in range(cursor or 0, RECORDS):
        yield Made(f"k{number % KEYS}", number)
        if number % 60 == 59:
            yield Checkpoint(number + 1)


@app.stage(made, to=mended, retry=Retry(attempts=3, first="5ms", most="5ms"))
def mend(record: Record[Made]) -> Mended | Drop:
    """Fails the first attempt of some, drops others."""
    if record.value.number % 50 == 7 and record.attempt == 1:
        raise ValueError("not at the first attempt")
    if record.value.number % 40 == 11:
        return Drop("not wanted")
    return Mended(record.value.key, record.value.number)


@app.stage(
    mended,
    to=told,
    within=Database(lambda settings: settings.target),
    retry=Retry(attempts=3, first="5ms", most="5ms"),
)
def write(record: Record[Mended], tx: Any, settings: Settings) -> Told:
    """Writes a row, and for some fails after having written it."""
    number = "INTEGER PRIMARY KEY" if settings.target.startswith("sqlite:") else "bigserial PRIMARY KEY"
    tx.execute(f"CREATE TABLE IF NOT EXISTS line (at {number}, key TEXT, number INTEGER)")
    tx.execute(f"INSERT INTO line (key, number) VALUES ('{record.value.key}', {record.value.number})")
    if record.value.number % 60 == 21 and record.attempt == 1:
        raise ValueError("after the row was written")
    return Told(record.value.key, record.value.number)


class Killing(apsw.VFS):
    """Ends the process at the n-th sync (before or after it is done) or in the middle of the n-th write."""

    def __init__(self, step: int, how: str) -> None:
        super().__init__("killing", "unix", makedefault=True)
        self.left = step
        self.how = how

    def xOpen(self, name: Any, flags: list[int]) -> KillingFile:
        return KillingFile(self, name, flags)

    def count(self) -> bool:
        self.left -= 1
        return self.left == 0


class KillingFile(apsw.VFSFile):
    def __init__(self, vfs: Killing, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._vfs = vfs

    def xSync(self, flags: int) -> None:
        die = self._vfs.how != "torn" and self._vfs.count()
        if die and self._vfs.how == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().xSync(flags)
        if die:
            os.kill(os.getpid(), signal.SIGKILL)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._vfs.how == "torn" and self._vfs.count():
            super().xWrite(bytes(data)[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        super().xWrite(data, offset)


def kill_at(step: int, how: str) -> None:
    """Ends the process before or after the n-th thing that Onward itself asks of the database on PostgreSQL."""
    left = [step]

    def counted(method: Any) -> Any:
        def call(*given: Any, **bound: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and how == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(*given, **bound)
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in ("run", "keep"):
        setattr(Lent, name, counted(getattr(Lent, name)))


async def work(folder: Path, target: str) -> bool:
    url = f"sqlite:///{folder / 'store.db'}"
    log = SQLiteLog(url, listen=True)
    books = SQLiteBooks(url)
    settings = {"kills": Settings(target=target or f"sqlite:///{folder / 'target.db'}")}
    report = await Worker([app], log, books, Plan(once=True), settings=settings).run()
    await log.close()
    await books.close()
    if report.failed:
        print(report, file=sys.stderr)
    return not report.failed


if __name__ == "__main__":
    folder, step, how, target = [*sys.argv[1:], ""][:4]
    if int(step):
        if target:
            kill_at(int(step), how)
        else:
            killing = Killing(int(step), how)
    sys.exit(0 if asyncio.run(work(Path(folder), target)) else 1)
