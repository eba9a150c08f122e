"""An app that brings the files of some entities into a database: the wiring."""

from __future__ import annotations

import logging
import math
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from onward import App, Checkpoint, Database, Drop, Hold, Later, Record, Retry, Unavailable, __version__
from onward.connect.nats import ID, JetStream, open_nats
from onward.connect.objects import Objects
from onward.errors import MessageRefused

from .announce import announce as announced
from .commands import commands
from .errors import BadRow, FileChanged, MassRemoval, SchemaDiffers
from .find import Cursor, find, found_again
from .listing import Once
from .merge import Progress, merge
from .metrics import Watch, tell
from .model import Change, Delivery, Entity, File, Notified
from .needs import missing
from .notify import mark as marked
from .notify import message_id, publish, stream_of, subject_of
from .report import after_commit
from .settings import Settings, settings_of
from .tables import tables_of

DATA_SOURCE = "paper-engine"
SCHEMA = re.compile("[a-z_][a-z0-9_]{0,62}")
FULL_LISTING = 3_600.0
"""Seconds after which all is listed again, and not only what is recent; also at the start of a process."""


def loader(
    name: str,
    entities: Sequence[Entity],
    *,
    source: str = "data",
    target: str = "",
    data_source: str = DATA_SOURCE,
    schema: str = "",
    transactions: str = "",
) -> App:
    """An app that delivers the files of these entities.

    Exactly once into the target, in order per table; a table that is stopped stops the transaction files, too.

    Args:
        source, target: where files come from and where they go unless it is set; `sqlite:///NAME.db`.
        data_source: who the change messages are from.
        schema: where the tables lie in PostgreSQL; `data_source` with `_` for `-` unless it is said.
        transactions: the folder of transaction files, below the source.

    Raises:
        ValueError: entities that cannot be delivered together.
    """
    by_name = _checked(entities, transactions)
    schema = schema or data_source.replace("-", "_")
    if not SCHEMA.fullmatch(schema):
        raise ValueError(f"schema {schema!r} cannot name a schema; it matches {SCHEMA.pattern}")
    app = App(name)
    app.settings(settings_of(source, target or f"sqlite:///{name}.db", re.sub(r"[\s.*>/\\]", "-", data_source)))
    files = app.topic("files", File, key="table")
    deliveries = app.topic("deliveries", Delivery, key=lambda delivery: name)
    changes = app.topic("changes", Change, key="id")
    notified = app.topic("notified", Notified, key=lambda told: name)
    database = Database(lambda settings: settings.target.reveal())
    log = logging.getLogger(f"onward.{name}")
    warn = Once(log.warning)
    watching: list[Watch] = []
    full = Due(FULL_LISTING)

    @app.resource
    def place(settings: Settings) -> Iterator[Objects]:
        yield settings.source.open()

    @app.source(to=files, every=("15s", "30s"))
    def poll(cursor: Cursor | None, settings: Settings, place: Objects, dry_run: bool) -> Iterator[File | Checkpoint]:
        if settings.dry_run and not dry_run:
            return
        for file, after in find(place, entities, cursor, warn, transactions=transactions, recent=not full()):
            yield file
            yield Checkpoint(after)

    @app.stage(
        files,
        to=deliveries,
        within=database,
        retry=Retry(attempts=5, first="1s", most="1m", reject=(BadRow, SchemaDiffers)),
    )
    def deliver(
        file: File,
        tx: Any,
        progress: Progress,
        approved: bool,
        dry_run: bool,
        settings: Settings,
        place: Objects,
    ) -> Delivery | Drop | Hold | Later:
        if settings.dry_run and not dry_run:
            raise Unavailable(f"DRY_RUN is on, so nothing is delivered here; `onward {name} --dry-run` shows it")
        tables = tables_of(tx, schema)
        if load := missing(tables, name, file, place):
            log.warning("%s waits for %s, which is not delivered", file.key, load)
            return Later("2m", give_up="1h")

        def merged(file: File) -> Delivery:
            with tables.savepoint():
                return merge(
                    file,
                    entities if file.kind == "TXN" else by_name[file.entity],
                    tables,
                    process=name,
                    open_=lambda part: place.read(part.key, part.identity),
                    progress=progress,
                    say=lambda delivery_id, text: log.info("Delivery %d: %s", delivery_id, text),
                    approved=approved,
                    host=socket.gethostname(),
                    version=__version__,
                )

        try:
            try:
                return merged(file)
            except FileChanged:
                # One that was mended goes where it belongs, before what waits behind it.
                if now := found_again(place, file):
                    return merged(now)
                raise
        except FileChanged as error:
            return Drop(str(error))
        except MassRemoval as error:
            return Hold(str(error))

    @app.stage(deliveries, to=changes)
    def announce(delivery: Delivery, settings: Settings, dry_run: bool) -> Any:
        counted = not dry_run and tell(watching, delivery, log)
        said = after_commit(delivery, settings.target.kind, counted=counted)
        for text in [f"would persist {delivery.summary}."] if dry_run else said:
            log.info("Delivery %d: %s", delivery.delivery_id, text)
        host, at, empty = socket.gethostname(), datetime.now(UTC), settings.notify_empty
        change = announced(delivery, entities, source=data_source, process=name, host=host, at=at, empty=empty)
        if change is None or not settings.notifications:
            return None
        return changes.record(change, headers={ID: message_id(name, delivery.delivery_id)})

    @app.resource
    async def nats(settings: Settings) -> AsyncIterator[JetStream | None]:
        if settings.nats:
            async with open_nats(settings.nats, stream=stream_of(settings.nats_stream, data_source)) as opened:
                yield opened
        else:
            yield None

    # Whoever has to be told of a delivery may be away for as long as it takes: the next file is not kept waiting.
    @app.stage(
        changes,
        to=notified,
        effect=True,
        slows=False,
        start="first",
        retry=Retry(first="1s", most="15s", reject=(MessageRefused,)),
    )
    async def notify(change: Record[Change], settings: Settings, nats: JetStream | None) -> Notified | Drop:
        if nats is None or not settings.notifications:
            return Drop("NATS is empty" if nats is None else "NOTIFICATIONS is off")
        told = await publish(change, nats, subject_of(data_source, name))
        log.info("Delivery %d: messages published.", told.delivery_id)
        tell(watching, told, log)
        return told

    @app.stage(notified, within=database, batch=100)
    def mark(told: list[Notified], tx: Any) -> None:
        marked(told, tables_of(tx, schema), name)

    app.command(commands(app, entities, watching, schema=schema, transactions=transactions))
    return app


class Due:
    """True at first and then once after so many seconds."""

    def __init__(self, seconds: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._timer = seconds, timer
        self._next = -math.inf

    def __call__(self) -> bool:
        due = self._timer() >= self._next
        if due:
            self._next = self._timer() + self._seconds
        return due


def _checked(entities: Sequence[Entity], transactions: str) -> dict[str, Entity]:
    by_name = {entity.name: entity for entity in entities}
    by_table = {entity.folder: entity for entity in entities}
    if not entities or len(by_name) < len(entities) or len(by_table) < len(entities):
        raise ValueError("a loader needs entities, each with a name and a table of its own")
    if transactions and len({entity.null_token for entity in entities}) > 1:
        raise ValueError("transaction files have one null_token; the entities have several")
    return by_name
