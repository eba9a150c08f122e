"""PostgreSQL for tests: one server per test process, a fresh database per test, and servers that may be hurt."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from servers import folder, free_port, installed, unprivileged

HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""For tests that do not cut the power."""

_EMPTY = """DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'onward' LOOP
        IF name NOT IN ('schema_version', 'segment') THEN
            EXECUTE format('DELETE FROM onward.%I', name);
        END IF;
    END LOOP;
END
$$"""

_numbers = itertools.count(1)


class Postgres:
    """A server of its own, on a free port of 127.0.0.1; the superuser is `postgres`, without a password."""

    def __init__(self, *settings: str) -> None:
        self._bin = installed(_bin, "postgresql")
        self._settings = settings
        self._folder = folder("postgres")
        self.port = free_port()
        self._make()
        self.start()

    def _make(self) -> None:
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    @property
    def data(self) -> Path:
        return self._folder / "data"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts it and waits until it can be asked."""
        given = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._folder}"]
        options = " ".join(f"-c {setting}" for setting in [*given, "max_connections=200", *self._settings])
        self._run("pg_ctl", "-D", self.data, "-l", self._folder / "log", "-w", "-t", "60", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stops it: `smart`, `fast` or `immediate`."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """As kill -9 of all its processes, or a power cut, does."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        # All at once, as their number one is missed by them a moment later only; and it cannot start again before.
        all_of_it = [first, *_children(first)]
        for pid in all_of_it:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while any(_alive(pid) for pid in all_of_it):
            assert time.monotonic() < end, "the server outlives kill -9"
            time.sleep(0.01)
        # A dead process that nobody has reaped would be taken for one that lives and holds these.
        for lock in (self.data / "postmaster.pid", self._folder / f".s.PGSQL.{self.port}.lock"):
            lock.unlink()

    def start_if_down(self) -> None:
        """Waits until it has come back by itself, or starts it where it has given that up."""
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < end, f"the server does not come back: {self.log[-2000:]}"
            pid_file = self.data / "postmaster.pid"
            if not pid_file.exists() or not _alive(int(pid_file.read_text().split()[0])):
                pid_file.unlink(missing_ok=True)
                (self._folder / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)
                self.start()
                return
            time.sleep(0.05)

    def create(self, database: str = "") -> str:
        """The URL of a new database."""
        return _create(self.url(), database)

    def remove(self) -> None:
        subprocess.run(
            unprivileged([self._bin / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path) -> None:
        # Without pipes: the server would hold them.
        command = self._placed(unprivileged([self._bin / program, *arguments]))
        with open(self._folder / "run", "ab") as out:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=90, check=False)
        assert done.returncode == 0, f"{program}: {(self._folder / 'run').read_text()}"

    def _placed(self, command: list[str]) -> list[str]:
        """The command as it is run where the server is to be."""
        return command


class Standby(Postgres):
    """A server that follows another one: asynchronously, and as long as it is let."""

    def __init__(self, primary: Postgres) -> None:
        self._primary = primary
        super().__init__(*primary._settings)

    def _make(self) -> None:
        self._run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-d", self._primary.url())

    def stay_behind(self) -> None:
        """Has all that the primary has kept by now, and gets no more."""
        with psycopg.connect(self._primary.url(), autocommit=True) as primary:
            (wanted,) = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or ()
        end = time.monotonic() + 60
        with psycopg.connect(self.url(), autocommit=True) as here:
            while here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (wanted,)).fetchone() != (True,):
                assert time.monotonic() < end, "the standby does not come after"
                time.sleep(0.02)
            here.execute("ALTER SYSTEM SET primary_conninfo = ''")
            here.execute("SELECT pg_reload_conf()")
            while here.execute("SELECT count(*) FROM pg_stat_wal_receiver").fetchone() != (0,):
                assert time.monotonic() < end, "the standby is not cut off"
                time.sleep(0.02)

    def take_over(self) -> None:
        """Becomes what the primary was, which is gone, where it was."""
        self.stop()
        self.port = self._primary.port
        self.start()
        self._run("pg_ctl", "-D", self.data, "-w", "promote")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server on which databases may be made."""
    if given := os.environ.get("ONWARD_TEST_POSTGRES"):
        yield given
        return
    server = Postgres(*HASTE)
    try:
        yield server.url()
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The URL of a new, empty database."""
    with database(postgres_server) as url:
        yield url


@contextmanager
def database(server: str) -> Iterator[str]:
    """The URL of a new, empty database on a server, as long as it is wanted."""
    url = _create(server)
    try:
        yield url
    finally:
        _drop(server, url)


def empty(url: str) -> None:
    """Takes all out of a store, whose tables stay: to make a database and them anew takes half a second."""
    with psycopg.connect(url) as connection:
        connection.execute(_EMPTY)


@pytest.fixture
def databases(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes databases, each new and empty; gives the URL."""
    made = []

    def fresh() -> str:
        made.append(_create(postgres_server))
        return made[-1]

    yield fresh
    for url in made:
        _drop(postgres_server, url)


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop, kill and hurt; it keeps what it has said it has kept."""
    with own() as server:
        yield server


@contextmanager
def own(*settings: str) -> Iterator[Postgres]:
    """As `own_postgres`, with settings."""
    server = Postgres(*settings)
    try:
        yield server
    finally:
        server.remove()


def _create(server: str, database: str = "") -> str:
    name = database or f"onward_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def _drop(server: str, url: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{conninfo_to_dict(url)["dbname"]}" WITH (FORCE)')


def _bin() -> Path | None:
    """The programs that `ONWARD_TEST_POSTGRES_BIN` names, else of the newest version that is installed; they are not on
    the path on Debian."""
    if named := os.environ.get("ONWARD_TEST_POSTGRES_BIN"):
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    return Path(initdb).resolve().parent if (initdb := shutil.which("initdb")) else None


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
