"""The host of a worker is cut off, as one is that has died.

Given two workers on different hosts that share a stage, and a session of the one that holds its lease's row
when  nothing more comes from its host, nor reaches it
then  the other has all the work as soon as the lease is over: the server has ended the sessions that were in its way;
      who was cut off has stopped by itself before; and when it is back it shares the work again, nothing is doubled.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from onward.lease import LOOK, RENEW, SECONDS
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from onward.plan import Plan
from onward.postgres.connection import Database
from onward.worker import Worker
from scenarios.ground import append, environment, until
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import BOUND, RECORDS, check, delivered, program, values
from servers import not_run
from servers.postgres import Postgres

SLOW = 5.0
"""Seconds that a busy machine may take more."""

STUCK = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"


class Hosts:
    """Two hosts with a router between them, in network namespaces of their own: one for the server, one for a worker.

    Programs outside reach the server by its socket in the file system.
    """

    server, worker, router = (f"onward{os.getpid()}{name}" for name in "swr")

    def __init__(self) -> None:
        try:
            for name in (self.server, self.worker, self.router):
                self._ip("netns", "add", name)
            for number, name in enumerate((self.server, self.worker), 1):
                here, there = f"h{number}", f"r{number}"
                self._ip("-n", name, "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.router)
                self._ip("-n", name, "addr", "add", f"10.99.{number}.2/24", "dev", here)
                self._ip("-n", self.router, "addr", "add", f"10.99.{number}.1/24", "dev", there)
                for where, device in ((name, "lo"), (name, here), (self.router, there)):
                    self._ip("-n", where, "link", "set", device, "up")
                self._ip("-n", name, "route", "add", "default", "via", f"10.99.{number}.1")
            self.repair()
        except BaseException:
            self.remove()
            raise

    def on(self, host: str, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", host, *command]

    def cut(self) -> None:
        """From now on what one sends is lost, and nobody is told."""
        self._forward(False)

    def repair(self) -> None:
        self._forward(True)

    def remove(self) -> None:
        for name in (self.server, self.worker, self.router):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _forward(self, on: bool) -> None:
        self._run(self.on(self.router, ["sh", "-c", f"echo {on:d} > /proc/sys/net/ipv4/ip_forward"]))

    def _ip(self, *command: str) -> None:
        self._run(["ip", *command])

    def _run(self, command: Sequence[str]) -> None:
        if subprocess.run(command, capture_output=True, check=False).returncode:
            not_run("who runs the tests may not make network namespaces")


class Afar(Postgres):
    """A server on another host."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        super().__init__("listen_addresses=10.99.1.2", "fsync=off")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}&port={self.port}"

    def start(self) -> None:
        with open(self.data / "pg_hba.conf", "a") as known:
            known.write("host all all 10.99.0.0/16 trust\n")
        super().start()

    def _placed(self, command: list[str]) -> list[str]:
        return self._hosts.on(self._hosts.server, command)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if os.geteuid() != 0 or not shutil.which("ip"):
        not_run("network namespaces take root, and the program ip")
    made = Hosts()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def afar(hosts: Hosts) -> Iterator[Afar]:
    server = Afar(hosts)
    try:
        yield server
    finally:
        server.remove()


def test_another_takes_over_and_shares_again(hosts: Hosts, afar: Afar, tmp_path: Path) -> None:
    app, source, out = program(lambda: time.sleep(0.03))
    ground, calls = PostgresGround(tmp_path, afar.create("line")), tmp_path / "calls"
    ground.put(app, source)
    remote = f"postgresql://postgres@10.99.1.2:{afar.port}/line"
    command = [sys.executable, "-m", "scenarios.postgres.test_dead_host", remote, str(calls)]
    child = subprocess.Popen(hosts.on(hosts.worker, command), env=environment(), stdin=subprocess.PIPE)
    assert child.stdin is not None

    def held_by(mine: str) -> list[bool]:
        found = ground.sql("SELECT worker FROM lease WHERE stage = 'line.pass_on' AND until > now() ORDER BY partition")
        return [worker == mine for (worker,) in found]

    async def story() -> None:
        async with ground.running(app) as worker:
            await until(lambda: sorted(held_by(worker.name)) == [False, True], BOUND)
            await append(worker.log, source, values()[: RECORDS // 2])
            await delivered(ground, out, RECORDS // 10)
            os.write(child.stdin.fileno(), b"hold\n")
            await until(lambda: ground.sql(STUCK), BOUND)
            await asyncio.to_thread(hosts.cut)
            begun = time.monotonic()
            await until(lambda: held_by(worker.name) == [True, True], BOUND)
            took, taken = time.monotonic() - begun, time.time()
            assert took < SECONDS + RENEW + LOOK + SLOW
            assert not ground.sql(STUCK)
            await delivered(ground, out, RECORDS // 2)
            last = float(calls.read_text().split()[-1])
            assert last < taken
            await asyncio.to_thread(hosts.repair)
            await until(lambda: sorted(held_by(worker.name)) == [False, True], BOUND)
            await append(worker.log, source, values()[RECORDS // 2 :])
            await delivered(ground, out)
            assert float(calls.read_text().split()[-1]) > taken

    try:
        asyncio.run(story())
    finally:
        child.kill()
        child.wait()
    check(ground, out)


def hold(url: str) -> None:
    """On a line of input: holds the row of a lease, with more to be sent to it than it takes."""
    sys.stdin.readline()
    database = Database(url)
    connection = database.connect()
    statements = "BEGIN; SELECT FROM onward.lease FOR SHARE; SELECT repeat('x', 100000000)"
    connection.pgconn.send_query(statements.encode())
    connection.pgconn.flush()
    threading.Event().wait()


async def work(url: str, calls: str) -> None:
    def called() -> None:
        time.sleep(0.03)
        with open(calls, "a") as file:
            file.write(f"{time.time()}\n")

    log, books = PostgresLog(url, listen=True), PostgresBooks(url)
    await Worker([program(called)[0]], log, books, Plan()).run()


if __name__ == "__main__":
    threading.Thread(target=hold, args=(sys.argv[1],), daemon=True).start()
    asyncio.run(work(*sys.argv[1:]))
