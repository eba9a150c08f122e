"""Onward delivers data: durably, in order per key, once in effect, and it can say where every record is.

    app = App("inspections")
    found = app.topic("found", Inspection, key="project")
    issued = app.topic("issued", Credential, key="project")

    @app.source(to=found, every="15m")
    def poll(cursor: int | None):
        for row in read_after(cursor or 0):
            yield Inspection(row.project, row.number)
            yield Checkpoint(row.number)

    @app.stage(found, to=issued)
    def issue(inspection: Inspection) -> Credential:
        return Credential(inspection.project, {"number": inspection.number})

To read the code, follow a record: `app`, `topic`, `source`, `stage` are what is declared; `worker` takes leases
and runs an `intake` for each source and a `lane` for each stage and partition; a lane reads into its `window`,
`call`s the handler, `settle`s what came of it and commits to the `log`; `parking` holds what failed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onward.app import App
    from onward.client import Client, open
    from onward.database import Database
    from onward.dedupe import Window
    from onward.errors import Conflict, MoveRefused, OnwardError, Unavailable
    from onward.lifecycle import Lifecycle
    from onward.outcome import Drop, Hold, Later, Reject
    from onward.record import Position, Record
    from onward.retry import Retry
    from onward.settings import Secret
    from onward.source import Checkpoint
    from onward.table import Table
    from onward.topic import Topic

__version__ = "0.1.0"

# In the order in which a program meets them.
__all__ = [  # noqa: RUF022
    "App",
    "Topic",
    "Record",
    "Position",
    "Checkpoint",
    "Drop",
    "Later",
    "Hold",
    "Reject",
    "Retry",
    "Window",
    "Database",
    "Secret",
    "Table",
    "Lifecycle",
    "open",
    "Client",
    "OnwardError",
    "Conflict",
    "MoveRefused",
    "Unavailable",
]

# Where each is; imported when it is first asked for, as a command needs few of them.
_HOMES = {
    "app": ("App",),
    "client": ("Client", "open"),
    "database": ("Database",),
    "dedupe": ("Window",),
    "errors": ("Conflict", "MoveRefused", "OnwardError", "Unavailable"),
    "lifecycle": ("Lifecycle",),
    "outcome": ("Drop", "Hold", "Later", "Reject"),
    "record": ("Position", "Record"),
    "retry": ("Retry",),
    "settings": ("Secret",),
    "source": ("Checkpoint",),
    "table": ("Table",),
    "topic": ("Topic",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"onward.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
