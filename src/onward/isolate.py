"""Calls in processes of their own, which can be killed: `isolate=True`.

A process is started (never forked) at first need, one for each call under way, and kept. Before each call it notes
which record it has in hand where the worker sees it. So when it dies, or is killed because a call overran its time,
that record's attempt has failed and is named, and the others of the unit are called again.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from onward import frames
from onward.call import Called, Caller, Unit, batch_name
from onward.errors import CallFailed, ProcessDied, Refused, TimedOut
from onward.events import Event, Progressed
from onward.failure import Failure, message_of
from onward.frames import LENGTH, MARK, Ask, Copy, Done, Fault, Go, Hello, Ready, Said, ToChild, Unfit, Work
from onward.stage import Stage

SPARE = 1.0
"""Seconds that a cancelled `async def` has to end before its process is killed."""

TRIES = 3
"""So many processes may die in a row without having called anything."""

CLOSING = 5.0
"""Seconds that a process has to close its resources."""


class Gone(Exception):
    """A process has ended; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        self.code = code


class Child:
    """One of the processes."""

    def __init__(self, process: asyncio.subprocess.Process, mark: mmap.mmap) -> None:
        self.process = process
        self._mark = mark
        self.mark((-1, 0.0))

    def mark(self, value: tuple[int, float]) -> None:
        MARK.pack_into(self._mark, 0, *value)

    @property
    def at(self) -> int:
        """The index of the record whose call is under way, -1 while none is."""
        return MARK.unpack_from(self._mark)[0]  # type: ignore[no-any-return]

    @property
    def since(self) -> float:
        return MARK.unpack_from(self._mark)[1]  # type: ignore[no-any-return]

    async def send(self, message: ToChild) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):  # that it is gone shows when its answer is read
            self.process.stdin.write(frames.framed(message))
            await self.process.stdin.drain()

    async def hear(self) -> frames.FromChild:
        """The next message.

        Raises:
            Gone: there is none any more.
        """
        assert self.process.stdout is not None
        try:
            head = await self.process.stdout.readexactly(LENGTH.size)
            return frames.from_child(await self.process.stdout.readexactly(LENGTH.unpack(head)[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Gone(await self.process.wait()) from None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def close(self) -> None:
        """Lets it close its resources; kills it where that takes long."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(CLOSING):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()


class Isolation:
    """The processes of one stage in one worker.

    Args:
        app: the reference by which the worker found the app.
        settings: the app's settings, packed.
        wait: waits for a call of the budget with a name.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        app: str,
        settings: bytes | None,
        flags: dict[str, bool],
        wait: Callable[[str], Awaitable[None]],
        observe: Callable[[Event], None],
    ) -> None:
        self._stage = stage
        self._app = app
        self._settings = settings
        self._flags = flags
        self._wait = wait
        self._observe = observe
        self._idle: list[Child] = []

    async def call(self, unit: Unit, caller: Caller) -> Called:
        """Calls the handler on a unit, and tells what came of it.

        Raises:
            Refused: no process can be started that knows the app.
        """
        how = ""
        for _ in range(TRIES):
            child = self._idle.pop() if self._idle else await self._start()
            try:
                called = await self._ask(child, unit, caller)
            except Gone as gone:
                how = _how(gone.code)
                if child.at < 0:  # between two calls; no record has done it
                    continue
                called = self._died(unit, child.at, ProcessDied(self._stage.name, how), 0.0)
            except TimedOut as error:
                called = self._died(unit, child.at, error, self._stage.timeout or 0.0)
            except BaseException:
                child.kill()
                raise
            else:
                self._idle.append(child)
            caller.judge(unit, called)
            return called
        raise self._unfit(f"{how}, before it called a handler")

    async def close(self) -> None:
        await asyncio.gather(*(child.close() for child in self._idle), return_exceptions=True)
        self._idle.clear()

    async def _ask(self, child: Child, unit: Unit, caller: Caller) -> Called:
        bad = {offset: message_of(error) for offset, error in unit.chunk.bad.items() if offset in unit.chunk.offsets}
        await child.send(Work(caller.partition, caller.identity, _copies(unit), sorted(unit.repeats), bad, caller.room))
        waiting: set[asyncio.Task[None]] = set()
        hearing = asyncio.ensure_future(child.hear())
        try:
            while True:
                await self._heard(child, hearing)
                message = hearing.result()
                if isinstance(message, Done):
                    return _called(message)
                hearing = asyncio.ensure_future(child.hear())
                if isinstance(message, Ask):
                    task = asyncio.create_task(self._let_go(child, message))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
                elif isinstance(message, Said):
                    self._observe(
                        Progressed(self._stage.name, message.position, message.key, message.done, message.total)
                    )
        finally:
            for task in [*waiting, hearing]:
                task.cancel()
            await asyncio.gather(*waiting, hearing, return_exceptions=True)

    async def _heard(self, child: Child, hearing: asyncio.Future[Any]) -> None:
        """Waits for a message; kills the process of a call that overruns its time."""
        limit = self._stage.timeout
        if limit is None:
            await asyncio.wait([hearing])
            return
        most = limit + (SPARE if self._stage.handler.is_async else 0.0)
        while not (await asyncio.wait([hearing], timeout=max(0.005, limit / 4)))[0]:
            if child.at >= 0 and time.monotonic() - child.since > most:
                child.kill()
                await child.process.wait()
                raise TimedOut(self._stage.name, limit)

    async def _let_go(self, child: Child, ask: Ask) -> None:
        await self._wait(ask.rate)
        await child.send(Go(ask.number))

    def _died(self, unit: Unit, at: int, error: Exception, took: float) -> Called:
        """Its record has failed, a batch as one where it is not halved; the others were not called."""
        called = Called()
        batch = self._stage.batch is not None and len(unit) > 1
        if batch and not self._stage.whole and unit.parked is None:
            called.rest, called.alone = range(len(unit)), len(unit)
            return called
        failed = range(len(unit)) if batch else [at]
        name = batch_name(unit.chunk.offsets) if self._stage.whole else None
        called.failures = [Failure(index, error=error, took=took, batch=name) for index in failed]
        called.rest = [index for index in range(len(unit)) if index not in set(failed)]
        return called

    async def _start(self) -> Child:
        file, path = tempfile.mkstemp(prefix="onward-")
        try:
            os.ftruncate(file, MARK.size)
            mark = mmap.mmap(file, MARK.size)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "onward.isolated",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            child = Child(process, mark)
            try:
                await child.send(Hello(self._app, self._stage.name, list(sys.path), self._settings, self._flags, path))
                told = await child.hear()
            except Gone as gone:
                raise self._unfit(_how(gone.code)) from None
            except BaseException:
                child.kill()
                raise
        finally:
            os.close(file)
            with contextlib.suppress(OSError):
                Path(path).unlink()
        if isinstance(told, Ready):
            return child
        await child.close()
        raise self._unfit(told.why if isinstance(told, Unfit) else "it said something else")

    def _unfit(self, why: str) -> Refused:
        return Refused(
            f"stage {self._stage.name}: isolate=True, but a process of its own cannot run the app {self._app!r}: {why}"
        )


def _copies(unit: Unit) -> list[Copy]:
    chunk, parked = unit.chunk, unit.parked
    return [
        Copy(offset, 0, False, chunk.nonce(offset), chunk.raw(offset))
        if parked is None
        else Copy(offset, parked[index].attempts, parked[index].approved, parked[index].nonce, chunk.raw(offset))
        for index, offset in enumerate(chunk.offsets)
    ]


def _called(done: Done) -> Called:
    called = Called()
    called.done, called.behind, called.rest = done.done, done.behind, done.rest
    called.failures = [_failure(fault) for fault in done.faults]
    called.drops, called.appends, called.records = done.drops, done.appends, done.records
    called.outage = done.outage
    return called


def _failure(fault: Fault) -> Failure:
    outcome = frames.outcome_from(fault.outcome, fault.given)
    error = None if outcome else CallFailed(fault.kind, fault.message, fault.trace, final=fault.final)
    return Failure(fault.index, error=error, outcome=outcome, took=fault.took, batch=fault.batch)


def _how(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    more = ", as the system does where memory runs out" if -code == getattr(signal, "SIGKILL", 9) else ""
    return f"it was killed by {name}{more}"
