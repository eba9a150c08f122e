"""What an app of this kind declares, and the values that travel through it."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

import msgspec
from msgspec import Struct

from onward.units import duration

Kind = Literal["LOAD", "CDC", "TXN", "SNAPSHOT"]

TYPES = ("text", "integer", "float", "boolean", "date", "timestamp", "json", "decimal")
EVENTS = ("CREATE", "RECREATE", "AMEND", "POINTLESS_AMEND", "REMOVE")

_DECIMAL = re.compile(r"decimal\(\s*(?:(\d+)\s*,\s*)?(\d+)\s*\)")
_ENTITY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TABLE = re.compile(r"([^./\\]+)[./]([^./\\]+)")
_OURS = frozenset({"hash", "event_id", "delivery_id", "seq", "op"})


@dataclass(frozen=True, slots=True)
class Column:
    """One business column.

    Args:
        name: as users see it in SQL.
        type: `text`, `integer` (64 bit), `decimal(S)` or `decimal(P,S)`, `float`, `boolean`, `date`,
            `timestamp` (microseconds, UTC) or `json`.
    """

    name: str
    type: str = "text"
    scale: int = field(init=False, default=0)
    precision: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if found := _DECIMAL.fullmatch(self.type):
            scale = int(found[2])
            object.__setattr__(self, "scale", scale)
            object.__setattr__(self, "precision", int(found[1] or max(38, scale + 1)))
            object.__setattr__(self, "type", "decimal")
            if scale >= self.precision:
                raise ValueError(f"column {self.name}: decimal({self.precision},{scale}) has no integer digit")
        elif self.type == "decimal" or self.type not in TYPES:
            raise ValueError(
                f"column {self.name}: no type {self.type!r}; use one of {', '.join(TYPES[:-1])}, decimal(P,S)"
            )
        if not self.name or '"' in self.name or "\x00" in self.name:
            raise ValueError(f"{self.name!r} cannot name a column")
        if self.name.lower() in _OURS:
            raise ValueError(f"column {self.name}: the name is taken by the loader; use another")


@dataclass(frozen=True)
class Entity:
    """What the files of one source table hold, and how they are told apart.

    Args:
        name: of the state table; the log is `<name>_event_log`.
        columns: the columns of the file in its order, as `{name: type}` or as `Column`s.
        key: names of the columns that identify a row; never null.
        table: `schema.table` (or `schema/table`) of the source: the folder the files lie in.
        rank: parents first; files of a lower rank come earlier.
        load_has_op, cdc_has_op: whether the rows begin with an operation (I, U, D).
        header: the first line names the columns, which may then stand in any order.
        timestamp_column: name of a text column that the replicator adds after the operation
            (`timestamp_last`: at the end). It is read over: the same row at another time is the same row.
        null_token: an unquoted field of exactly this text is null; quoted, it is that text.
        remove_absent: a row that is not in a complete load is removed.
        load_quiet: a load of several parts is complete when nothing was added for so long (as `"10m"`); else
            when a change file or a file `_SUCCESS` follows it.
        most_removed: the share of the rows, 0 to 1, that one delivery may remove without asking a person (a single
            row it may always); 1 for all of them.

    Raises:
        ValueError: what is declared cannot be: the sentence names the entity and the column.
    """

    name: str
    columns: Mapping[str, str] | Sequence[Column]
    key: Sequence[str]
    table: str = ""
    rank: int = 0
    load_has_op: bool = False
    cdc_has_op: bool = True
    header: bool = False
    timestamp_column: str = ""
    timestamp_last: bool = False
    null_token: str = ""
    remove_absent: bool = False
    load_quiet: str = ""
    most_removed: float = 0.5

    def __post_init__(self) -> None:
        given = self.columns
        columns = tuple(Column(n, t) for n, t in given.items()) if isinstance(given, Mapping) else tuple(given)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "key", (self.key,) if isinstance(self.key, str) else tuple(self.key))
        object.__setattr__(self, "table", self.table or f"dbo.{self.name}")
        names = [column.name.lower() for column in columns]
        missing = [name for name in self.key if name not in self.names]
        if not _ENTITY.fullmatch(self.name) or self.name.startswith(("sqlite_", "loader_")):
            raise ValueError(f"entity {self.name!r}: a name matches {_ENTITY.pattern} and is not the loader's")
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"entity {self.name}: needs columns of different names")
        if not self.key or missing or len(set(self.key)) != len(self.key):
            raise ValueError(f"entity {self.name}: key {missing or self.key} is not a choice of its columns")
        if not _TABLE.fullmatch(self.table):
            raise ValueError(f"entity {self.name}: table {self.table!r} is not schema.table")
        if set(self.null_token) & set('",\r\n\x00'):
            raise ValueError(f"entity {self.name}: null_token {self.null_token!r} cannot stand unquoted in a file")
        if not 0 <= self.most_removed <= 1:
            raise ValueError(f"entity {self.name}: most_removed {self.most_removed!r} is no share, 0 to 1")
        if self.load_quiet:
            try:
                duration(self.load_quiet)
            except ValueError as error:
                raise ValueError(f"entity {self.name}: load_quiet: {error}") from None

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns, however they were declared."""
        return cast(tuple[Column, ...], self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.fields)

    @property
    def folder(self) -> str:
        """Where its files lie below the data folder: `schema/table`."""
        return "/".join(_TABLE.findall(self.table)[0])

    @property
    def log(self) -> str:
        return f"{self.name}_event_log"


class Part(Struct, frozen=True, array_like=True):
    """A file by its key, and the content that is meant."""

    key: str
    identity: str


class File(Struct, frozen=True):
    """One file to deliver.

    `table` is the line in which it is delivered in order: its table, or the folder of transaction files (where
    `entity` is empty). `key` is its path below the root with slashes; `identity` names its content: the SHA-256
    of a file's bytes as they lie there (compressed), or the ETag; `modified` is UTC. `whole`: this load file is
    all of its table. `parts`: of a SNAPSHOT, which is no file of its own, the load files that are all of its
    table. `needs`: the loads that come before a transaction file.
    """

    entity: str
    table: str
    key: str
    path: str
    kind: Kind
    size: int
    modified: datetime
    identity: str
    segment: int = 0
    part: int = 0
    stamp: str = ""
    whole: bool = False
    out_of_order: bool = False
    parts: list[Part] = []
    needs: list[Part] = []


class Delivery(Struct, frozen=True):
    """What came of one file: `by_entity` counts by entity and event type (all named), `unchanged` rows of a load
    that were as the state already had them, `ignored` rows by reason, `warnings` by reason. `repeated`: this very
    file was merged before, and nothing was done now.

    `entity` is the entity it is about, several of a transaction file with commas between. `max_event_id` is the
    highest event id of the process so far, `seconds` the time the merge took, most of it in the `phases` fetch
    (waiting for the file's bytes), parse, diff (setting rows aside and comparing them) and persist; `modified` is the
    file's.
    """

    delivery_id: int
    entity: str
    source_key: str
    by_entity: dict[str, dict[str, int]]
    rows_read: int
    unchanged: int
    ignored: dict[str, int]
    warnings: dict[str, int]
    max_event_id: int
    seconds: float
    repeated: bool = False
    phases: dict[str, float] = {}
    modified: datetime | None = None

    @property
    def events(self) -> dict[str, int]:
        """Counts by event type, over all entities."""
        return {event: sum(counts.get(event, 0) for counts in self.by_entity.values()) for event in EVENTS}

    @property
    def summary(self) -> dict[str, dict[str, int]]:
        """Counts by entity and event type, without zeros."""
        found = {name: {e: n for e, n in counts.items() if n} for name, counts in self.by_entity.items()}
        return {name: counts for name, counts in found.items() if counts}

    @property
    def changed(self) -> bool:
        """Whether a reader of a state table sees a difference."""
        return any(count for event, count in self.events.items() if event != "POINTLESS_AMEND")


class Change(Struct, frozen=True):
    """The notification about one delivery. `utcts` is ISO 8601 UTC with microseconds and no zone suffix."""

    v: int
    ds: str
    id: str
    host: str
    utcts: str
    stats: dict[str, dict[str, int]]
    max_event_id: int


class Notified(Struct, frozen=True):
    """The message about a delivery is kept by NATS, since when (UTC); `repeated`: it was there before; `seconds`: how
    long its answer took.
    """

    delivery_id: int
    at: datetime
    repeated: bool = False
    seconds: float = 0.0


_encoder = msgspec.json.Encoder()


def fingerprints(rows: Iterable[Sequence[object]]) -> list[str]:
    """SHA-256 hex of each row: of the JSON array, without spaces, of its canonical values in declared order.

    JSON keeps null, empty text, the text `null` and numbers apart, and no separator can be forged by a value.
    """
    sha256 = hashlib.sha256
    lines = _encoder.encode_lines(rows).split(b"\n")
    lines.pop()
    return [sha256(line).hexdigest() for line in lines]
