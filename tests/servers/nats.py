"""NATS with JetStream for tests: a server per test, as it starts in a tenth of a second, which may be hurt.

`ONWARD_TEST_NATS` names the program where it is not on the path.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from servers import folder, free_port, installed, listening, on_path


class Nats:
    """A server of its own, on a free port of 127.0.0.1; its folder outlives a stop."""

    def __init__(self, *options: str, js: bool = True) -> None:
        self._program = installed(on_path(os.environ.get("ONWARD_TEST_NATS", "nats-server")), "nats-server")
        self._options = [*options, *(["-js"] if js else [])]
        self._folder = folder("nats")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.login = ""
        """As in `user:password@`, for what the test itself asks of it."""

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it listens."""
        place = ["-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self._folder), "-l", str(self._folder / "log")]
        self._process = subprocess.Popen(
            [self._program, *place, *self._options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        listening(self.port, self._process, "nats-server")

    def kill(self) -> None:
        """As kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It takes what comes and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add_stream(self, name: str, subjects: Sequence[str], **options: Any) -> None:
        async def make(client: Any) -> None:
            await client.jetstream().add_stream(name=name, subjects=list(subjects), **options)

        self._with_client(make)

    def config(self, stream: str) -> Any:
        """How a stream is declared."""

        async def read(client: Any) -> Any:
            return (await client.jetstream().stream_info(stream)).config

        return self._with_client(read)

    def messages(self, stream: str) -> list[Message]:
        """All that a stream keeps, in its order; none where there is no such stream."""

        async def read(client: Any) -> list[Message]:
            from nats.js.errors import NotFoundError

            js, found = client.jetstream(), []
            with contextlib.suppress(NotFoundError):
                state = (await js.stream_info(stream)).state
                for number in range(max(1, state.first_seq), state.last_seq + 1):  # an empty one begins at 0
                    one = await js.get_msg(stream, number)
                    found.append(Message(one.subject, one.data or b"", dict(one.headers or {})))
            return found

        return self._with_client(read)

    def _with_client(self, work: Any) -> Any:
        async def run() -> Any:
            import nats

            client = await nats.connect(f"nats://{self.login}127.0.0.1:{self.port}", connect_timeout=5)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())


class Message:
    """What a stream keeps."""

    def __init__(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        self.subject, self.body, self.headers = subject, body, headers

    @property
    def id(self) -> str:
        return self.headers.get("Nats-Msg-Id", "")


@pytest.fixture
def nats() -> Iterator[Nats]:
    """A running server with JetStream and no stream."""
    with own() as server:
        server.start()
        yield server


@contextlib.contextmanager
def own(*options: str, js: bool = True) -> Iterator[Nats]:
    """One that is not started yet."""
    server = Nats(*options, js=js)
    try:
        yield server
    finally:
        server.remove()
