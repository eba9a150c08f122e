"""Files of a replicated database in a folder -> tables with their history -> change messages.

The source finds files in the order in which they must be delivered. Each file is one record, keyed by its table,
so a file that cannot be read stops its own table and no other. One file is one transaction of the target: state,
event log, the row in `loader_deliveries` and the change message are kept whole or not at all.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import apsw
from msgspec import Meta, Struct

from onward import App, Checkpoint, Database, Drop, Retry, __version__

from . import flights, sample
from .announce import announce
from .errors import BadRow, FileChanged, SchemaDiffers
from .find import Cursor, Once, find
from .merge import Progress, merge
from .model import Change, Entity, File

DATA_SOURCE = "paper-engine"


class Settings(Struct, frozen=True):
    """Where files come from and where they go."""

    source: Annotated[str, Meta(extra={"env": "SOURCE"})] = "data"
    target: Annotated[str, Meta(extra={"env": "TARGET"})] = "sqlite:///orders.db"


def loader(name: str, entities: Sequence[Entity], *, data_source: str = DATA_SOURCE) -> App:
    """An app that delivers the files of these entities.

    Exactly once into the target, in order per table; across tables in the order in which the source finds them.
    """
    app = App(name)
    app.settings(Settings)
    files = app.topic("files", File, key="table")
    changes = app.topic("changes", Change, key="id")
    by_name = {entity.name: entity for entity in entities}
    warn = Once(logging.getLogger(f"onward.{name}").warning)

    @app.source(to=files, every="15s")
    def poll(cursor: Cursor | None, settings: Settings) -> Iterator[File | Checkpoint]:
        for file, after in find(Path(settings.source), entities, cursor, warn):
            yield file
            yield Checkpoint(after)

    @app.stage(
        files,
        to=changes,
        within=Database(lambda settings: settings.target),
        retry=Retry(attempts=5, first="1s", most="1m", reject=(BadRow, SchemaDiffers)),
    )
    def deliver(file: File, tx: apsw.Connection, progress: Progress) -> Change | Drop | None:
        host = socket.gethostname()
        try:
            with tx:
                delivery = merge(
                    file, by_name[file.entity], tx, process=name, progress=progress, host=host, version=__version__
                )
        except FileChanged as error:
            return Drop(str(error))
        return announce(delivery, entities, source=data_source, process=name, host=host, at=datetime.now(UTC))

    @app.demo
    def demo(folder: Path) -> dict[str, str]:
        """Sample files in the sizes of a real day and, where it is installed, a public data set."""
        data = folder / "data"
        if not (data / "dbo").exists():
            sample.make_sample(data)
        if not (data / "nyc").exists():
            flights.make_flights(data)
        return {"source": str(data), "target": f"sqlite:///{(folder / 'target.db').absolute()}"}

    return app


app = loader("orders", (*sample.ENTITIES, *flights.ENTITIES))
