"""A process of its own for the calls of one stage: `python -m onward.isolated`, led by `onward.isolate` over its
standard input and output.

It loads the app by the reference that its leader used, opens its own resources, calls the handler and gives back what
came of it. It ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import itertools
import mmap
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from onward import frames, load, settings
from onward.app import App, topics_of
from onward.breaker import Breaker
from onward.call import Called, Caller, Undo, Unit, run_through
from onward.codec import Codec
from onward.emit import Emitter
from onward.errors import BadRecord, Unavailable
from onward.events import Event, Progressed
from onward.failure import Failure, message_of, traceback_of
from onward.frames import LENGTH, MARK, Ask, Done, Fault, FromChild, Go, Hello, Ready, Said, ToChild, Unfit, Work
from onward.log import Parked
from onward.rate import Rate
from onward.resource import Resources
from onward.window import Chunk, chunk_of_copies


class Never(Breaker):
    """Leaves it to the leader, who sees all processes, to tell an outage."""

    def failed(self, key: str | None) -> bool:
        return False


class NotedUnit(Unit):
    """Notes each call where the leader sees it, also when this process is gone."""

    __slots__ = ("_index", "_mark")
    noted = True

    def __init__(self, mark: mmap.mmap, chunk: Chunk, parked: list[Parked] | None) -> None:
        self._mark = mark
        self._index = 0
        super().__init__(chunk, parked)

    @property
    def at(self) -> int:  # type: ignore[override]
        return self._index

    @at.setter
    def at(self, index: int) -> None:
        self._index = index

    @property
    def since(self) -> float:  # type: ignore[override]
        return MARK.unpack_from(self._mark)[1]  # type: ignore[no-any-return]

    @since.setter
    def since(self, when: float) -> None:
        MARK.pack_into(self._mark, 0, self._index if when else -1, when)


class Isolated:
    """The stage in this process."""

    def __init__(self, hello: Hello, app: App, send: Callable[[FromChild], None]) -> None:
        self._app = app
        self._stage = app.stages[hello.stage]
        self._flags = hello.flags
        self._send = send
        with Path(hello.mark).open("r+b") as file:
            self._mark = mmap.mmap(file.fileno(), MARK.size)
        given = settings.unpacked(app.settings_class, hello.settings) if app.settings_class and hello.settings else None
        app.configure(given)
        self._resources = Resources(app.resources, given)
        self._codecs = {topic.name: Codec(topic.type) for topic in topics_of(app).values()}
        self._emitter = Emitter(self._stage.to, self._codecs)
        self._callers: dict[tuple[int, str], Caller] = {}
        self._room = 0
        self._waiting: dict[int, asyncio.Event] = {}
        self._numbers = itertools.count(1)
        for rate in app.rates.values():
            rate.connect(Relay(self, rate))

    async def work(self, work: Work) -> Done:
        """Calls the handler on a unit."""
        rows = [
            Parked(
                offset=copy.offset, key=None, state="retrying", due=0.0, attempts=copy.attempts, since=0.0,
                approved=copy.approved, entry=copy.entry, nonce=copy.nonce,
            )
            for copy in work.copies
        ]  # fmt: skip
        unit = NotedUnit(self._mark, chunk_of_copies(rows, self._codecs[self._stage.topic.name]), rows)
        unit.repeats = set(work.repeats)
        unit.chunk.bad |= {offset: BadRecord(why) for offset, why in work.bad.items()}
        called = Called()
        try:
            arguments = await self._resources.get(self._stage.handler)
        except Unavailable as error:
            called.outage, called.rest = message_of(error), range(len(unit))
        else:
            needs = self._stage.handler.needs
            arguments |= {name: flag for name, flag in self._flags.items() if name in needs}
            running = self._caller(work).run(unit, arguments, Undo())
            is_async = self._stage.handler.is_async
            called = await (running if is_async else asyncio.to_thread(run_through, running))
        return Done(
            list(called.done),
            [self._fault(failure) for failure in called.failures],
            list(called.behind),
            list(called.rest),
            called.drops,
            called.appends,
            called.records,
            called.outage,
        )

    async def wait(self, rate: str) -> None:
        """Until the leader says that a call of a budget may be made."""
        number = next(self._numbers)
        event = self._waiting[number] = asyncio.Event()
        self._send(Ask(rate, number))
        await event.wait()

    def go(self, number: int) -> None:
        if (event := self._waiting.pop(number, None)) is not None:
            event.set()

    async def close(self) -> None:
        await self._resources.close()

    def _caller(self, work: Work) -> Caller:
        where = (work.partition, work.identity)
        self._room = work.room
        if where not in self._callers:
            self._callers[where] = Caller(
                self._stage,
                work.partition,
                reader=self._codecs[self._stage.topic.name].upgraded(self._stage.upgrade),
                emitter=self._emitter,
                breaker=Never(self._stage.retry, lambda: 0.5),
                identity=work.identity,
                observe=self._observe,
                room=lambda: self._room,
            )
        return self._callers[where]

    def _observe(self, event: Event) -> None:
        if isinstance(event, Progressed):
            self._send(Said(event.position, event.key, event.done, event.total))

    def _fault(self, failure: Failure) -> Fault:
        error = failure.error
        final = error is not None and next(iter(self._callers.values())).is_final(error)
        trace = "" if error is None else traceback_of(error)
        name, given = frames.outcome_to(failure.outcome)
        return Fault(
            failure.index, failure.kind, failure.message, trace, name, given, failure.took, failure.batch, final
        )


class Relay:
    """Asks the leader for a budget; see `onward.rate.Meter`."""

    def __init__(self, isolated: Isolated, rate: Rate) -> None:
        self._isolated = isolated
        self._name = rate.name
        self._loop = asyncio.get_running_loop()

    async def take(self) -> None:
        await self._isolated.wait(self._name)

    def take_here(self) -> None:
        asyncio.run_coroutine_threadsafe(self.take(), self._loop).result()


async def run(read: BinaryIO, write: BinaryIO) -> None:
    """Until `read` ends."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Queue[ToChild | None] = asyncio.Queue()
    turn = threading.Lock()
    busy = threading.Event()

    def send(message: FromChild) -> None:
        with turn:
            write.write(frames.framed(message))
            write.flush()

    def listen() -> None:
        while (head := read.read(LENGTH.size)) and len(head) == LENGTH.size:
            body = read.read(LENGTH.unpack(head)[0])
            loop.call_soon_threadsafe(coming.put_nowait, frames.to_child(body))
        if busy.is_set():
            os._exit(1)  # nobody is there any more who could take what comes of it
        loop.call_soon_threadsafe(coming.put_nowait, None)

    threading.Thread(target=listen, name="onward-leader", daemon=True).start()
    hello = await coming.get()
    if not isinstance(hello, Hello):
        return
    try:
        sys.path[:] = hello.path
        isolated = Isolated(hello, load.app(hello.app), send)
    except Exception as error:
        send(Unfit(f"{type(error).__name__}: {error}"))
        return
    send(Ready())

    async def do(work: Work) -> None:
        try:
            done = await isolated.work(work)
        except BaseException:  # as where somebody interrupts; the leader sees which call it was
            traceback.print_exc()
            os._exit(1)
        busy.clear()
        send(done)

    tasks: set[asyncio.Task[None]] = set()
    while (message := await coming.get()) is not None:
        if isinstance(message, Go):
            isolated.go(message.number)
        elif isinstance(message, Work):
            busy.set()
            task = asyncio.create_task(do(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    await isolated.close()


def main() -> None:
    """Keeps standard input and output for the frames; what handlers print goes to standard error."""
    read, write = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    asyncio.run(run(read, write))


if __name__ == "__main__":
    main()
