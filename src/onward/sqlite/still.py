"""Stills: copies of SQLite files as they are at one moment, to be worked on and thrown away."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import apsw

from onward.errors import StoreNotFound
from onward.sqlite.connection import File, away, path_of
from onward.sqlite.turn import Turn

PAGES = 4_096


class Stills:
    """Copies of some files. Between `hold` and `copy` nobody can write to them, so that what else is looked at in
    the meantime is of the same moment. The files themselves stay as they are.

    All methods block.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="onward-dry-run-"))
        self._copies = {url: self._folder / f"{at}.db" for at, url in enumerate(sorted(set(urls)))}
        self._held: list[tuple[str, File, apsw.Connection]] = []
        self._turns: list[Turn] = []

    def hold(self) -> None:
        """Keeps others from writing. A file that is not there is an empty one."""
        for url in self._copies:
            with contextlib.suppress(StoreNotFound):
                file = File(path_of(url), create=False, url=url)
                try:
                    self._held.append((url, file, _connect(file)))
                    self._take_turn(file)
                    self._held[-1][2].execute("BEGIN IMMEDIATE")
                except apsw.Error as error:
                    raise away(error, url) from error

    def copy(self) -> None:
        """Copies what is there; others may write again from the beginning on."""
        try:
            reading = [(url, _connect(file)) for url, file, _ in self._held]
            for _, connection in reading:
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # from here on it sees this moment
            for _, _, connection in self._held:
                connection.execute("ROLLBACK")
            self._end_turns()
            for url, connection in reading:
                into = apsw.Connection(str(self._copies[url]))
                into.execute("PRAGMA synchronous=OFF")
                with into.backup("main", connection, "main") as backup:
                    while not backup.done:
                        backup.step(PAGES)
                into.close()
                connection.close()
        except apsw.Error as error:
            raise away(error, ", ".join(self._copies)) from error
        finally:
            self._let_go()

    def url(self, url: str) -> str:
        """Where the copy of a file is."""
        return f"sqlite:///{self._copies[url]}"

    def close(self) -> None:
        """Throws the copies away."""
        self._let_go()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take_turn(self, file: File) -> None:
        """A busy writer would leave SQLite's own waiting no gap. Where no turn was ever taken, no files are made."""
        if Path(f"{file.path}-turn").exists():
            turn = Turn(str(file.path))
            turn.__enter__()
            self._turns.append(turn)

    def _end_turns(self) -> None:
        while self._turns:
            turn = self._turns.pop()
            turn.__exit__(None, None, None)
            turn.close()

    def _let_go(self) -> None:
        self._end_turns()
        while self._held:
            _, file, connection = self._held.pop()
            connection.close()
            file.close()


def _connect(file: File) -> apsw.Connection:
    """As others have made it: nothing of how the file is kept is changed."""
    connection = apsw.Connection(str(file.path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(60_000)
    return connection
