"""`onward put`: records from a file or standard input into a topic."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from onward import load, stores
from onward.app import App
from onward.cli import options, show
from onward.config import Config
from onward.declaration import spec_of
from onward.errors import AppNotFound, BadRecord, Refused, StoreAway, StoreNotFound
from onward.exit import STOPPING, leave
from onward.log import Commit, Log, Survey, TopicSpec
from onward.names import full_name
from onward.put import BadLine, Desk, batches
from onward.status import EMPTY
from onward.topic import Topic
from onward.units import counted


def put(
    topic: Annotated[
        str,
        typer.Argument(metavar="TOPIC", help="Where to; in short where only one fits.", autocompletion=options.topics),
    ],
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="JSON lines; standard input without it, or with -.", show_default=False),
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app", metavar="APP", help="Whose topic it is, where the store does not know.", show_default=False
        ),
    ] = None,
    records: Annotated[bool, typer.Option("--records", help="Lines are records as `read --json` prints them.")] = False,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Put JSON lines into a topic, each checked against its type."""
    url = Config.read().store(store)
    with asyncio.Runner() as runner:
        declared, found = runner.run(_topic(url, topic, app))
        name, stream = _opened(file)
        with stream:
            log = stores.open_log(url)
            try:
                if declared is not None:
                    runner.run(log.declare(spec_of(declared)))
                with Interrupt() as interrupt:
                    count = _put(runner, log, Desk(found, records=records), name, stream, interrupt)
            finally:
                runner.run(log.close())
    if interrupt.heard is not None:
        show.failed(f"interrupted; {counted(count, 'record')} of {name} went into {found.name}, the rest did not")
        leave(128 + interrupt.heard)
    if json:
        show.document({"topic": found.name, "records": count})
    else:
        show.note(f"{counted(count, 'record is', 'records are')} in {found.name}")


class Interrupt:
    """What a signal says while records are put: it ends a wait for input at once, and a commit is finished first, so
    that what is in is known. A second one ends the process."""

    def __init__(self) -> None:
        self.heard: int | None = None
        self._reading = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        self._before = {number: signal.signal(number, self._come) for number in STOPPING}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def batches(self, stream: IO[bytes]) -> Iterator[list[tuple[int, bytes]]]:
        """The batches of a stream until a signal comes."""
        found = batches(stream)
        while self.heard is None:
            self._reading = True
            try:
                lines = next(found, None) if self.heard is None else None
            except KeyboardInterrupt:
                return
            finally:
                self._reading = False
            if lines is None:
                return
            yield lines

    def _come(self, number: int, frame: object) -> None:
        if self.heard is not None:
            os._exit(128 + number)
        self.heard = number
        if self._reading:
            raise KeyboardInterrupt


def _put(runner: asyncio.Runner, log: Log, desk: Desk, name: str, stream: IO[bytes], interrupt: Interrupt) -> int:
    """Reads outside of the event loop, so that an interrupt ends a wait for input."""
    count = 0
    for lines in interrupt.batches(stream):
        taken, bad = [], None
        for number, line in lines:
            try:
                taken.append(desk.taken(line))
            except BadRecord as error:
                bad = (number, error)
                break
        if taken:
            try:
                runner.run(log.commit(Commit(appends=desk.blocks(taken))))
            except StoreAway as error:
                raise StoreAway(f"{error}; {counted(count, 'record')} of {name} went in, the rest did not") from error
            count += len(taken)
        if bad is not None:
            raise BadLine(name, bad[0], str(bad[1]), count) from bad[1]
    return count


async def _topic(url: str, name: str, app_name: str | None) -> tuple[App | None, Topic[Any]]:
    """The topic, and the app to declare with it if its code is at hand."""
    survey = EMPTY
    try:
        async with stores.looking(url) as books:
            survey = await books.survey()
    except StoreNotFound:
        pass
    app = _app(survey, name, app_name)
    if app is not None:
        return app, app.topics[full_name("topic", name, app.topics, app.name)]
    known = {topic.name: topic for spec in survey.apps for topic in spec.topics}
    if app_name is not None:
        known = {full: topic for full, topic in known.items() if full.startswith(f"{app_name}.")}
    if not known:
        raise Refused(f"{url} knows no topic {name!r} yet; say whose it is by --app")
    return None, _untyped(known[full_name("topic", name, known)])


def _app(survey: Survey, name: str, app_name: str | None) -> App | None:
    """The app by its code: the one that was named, else the installed one whose topic it is; None where the store
    has to do."""
    known = {topic.name: spec.name for spec in survey.apps for topic in spec.topics}
    if app_name is not None:
        try:
            return load.app(app_name)
        except AppNotFound:
            if app_name in known.values():
                return None
            raise
    owner = name.partition(".")[0] if "." in name else ""
    if not owner and known:
        owner = known[full_name("topic", name, known)]
    return load.app(owner) if owner in load.installed() else None


def _untyped(spec: TopicSpec) -> Topic[Any]:
    """The topic as the store knows it: any JSON, the key by a field."""
    if spec.key == "()":
        raise Refused(f"the key of topic {spec.name} is made by its app's code; say where that is by --app")
    return Topic(spec.name, Any, key=spec.key, partitions=spec.partitions)


def _opened(file: str | None) -> tuple[str, IO[bytes]]:
    if file is None or file == "-":
        return "standard input", sys.stdin.buffer
    try:
        return file, Path(file).open("rb")
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
