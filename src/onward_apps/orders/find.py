"""A folder of replicated files -> those to deliver, in order."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field

from .model import Entity, File, Kind

Warn = Callable[[str], object]

_LOAD = re.compile(r"(?:SEGMENT(\d+)_)?LOAD([0-9A-F]{8})\.csv(?:\.gz)?")
_CHANGES = re.compile(r"(\d{8})-(\d{8,10})\.csv(?:\.gz)?")
_UNSEEN = (".dfm", ".part", ".tmp")


class Seen(Struct, frozen=True, array_like=True):
    """A file as it was when it was delivered: the identity holds while size and time stand."""

    size: int
    mtime_ns: int
    identity: str


class Cursor(Struct, frozen=True):
    """What has been delivered: per source table the files by name (path below the table's folder), and the
    time stamp of the newest change file. Names that left the folder leave the cursor.
    """

    files: dict[str, dict[str, Seen]] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)


class Name(NamedTuple):
    """What a file name says. `stamp` is digits of date, time and microseconds."""

    kind: Kind
    segment: int = 0
    part: int = 0
    stamp: str = ""


class Once:
    """Says each thing once."""

    def __init__(self, say: Warn) -> None:
        self._say, self._said = say, set[str]()

    def __call__(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._say(what)


def read_name(name: str) -> Name | None:
    """What a name says: a load is LOAD and a hexadecimal counter, a change file its time; None: neither."""
    if found := _LOAD.fullmatch(name):
        return Name("LOAD", int(found[1] or 0), int(found[2], 16))
    if found := _CHANGES.fullmatch(name):
        return Name("CDC", stamp=found[1] + found[2].ljust(12, "0"))
    return None


def find(
    folder: Path, entities: Sequence[Entity], cursor: Cursor | None = None, warn: Warn = lambda what: None
) -> Iterator[tuple[File, Cursor]]:
    """The files in `folder/<schema>/<table>/` that the cursor does not know, each with the cursor after it.

    Order: all loads, parents first (rank), then by table, segment and part; then all changes, by time stamp,
    rank and table. So a table's loads come before its changes, whatever the names sort like. A name known
    with other content is delivered again; a change file older than the newest delivered one of its table is
    flagged `out_of_order`. Content is read only where size or time differ from what the cursor knows.

    Args:
        warn: called with a sentence for each thing that is left aside and should perhaps not be; wrap it in
            `Once` for a service. Sidecars (.dfm), unfinished files (.part, .tmp, a leading dot) and control
            tables (awsdms_...) are left aside silently.
    """
    known = cursor or Cursor()
    listing = {entity: dict(_list(folder, entity, warn)) for entity in entities}
    _warn_of_strangers(folder, entities, warn)
    known = Cursor(
        {
            entity.table: {
                name: seen for name, seen in known.files.get(entity.table, {}).items() if name in listing[entity]
            }
            for entity in entities
        },
        known.newest,
    )
    for entity, name, said in _ordered(listing):
        path = folder / entity.folder / name
        try:
            state = path.stat()
            seen = known.files[entity.table].get(name)
            if seen and (seen.size, seen.mtime_ns) == (state.st_size, state.st_mtime_ns):
                continue
            now = Seen(state.st_size, state.st_mtime_ns, _identity(path))
        except FileNotFoundError:
            continue
        newest = known.newest.get(entity.table, "")
        known = Cursor(
            known.files | {entity.table: known.files[entity.table] | {name: now}},
            known.newest | {entity.table: max(newest, said.stamp)},
        )
        if seen and seen.identity == now.identity:
            continue
        file = File(
            entity=entity.name,
            table=entity.table,
            key=f"{entity.folder}/{name}",
            path=str(path),
            kind=said.kind,
            size=now.size,
            modified=datetime.fromtimestamp(now.mtime_ns // 10**9, UTC).replace(
                microsecond=now.mtime_ns // 1000 % 10**6
            ),
            identity=now.identity,
            segment=said.segment,
            part=said.part,
            stamp=said.stamp,
            whole=said.kind == "LOAD" and _is_whole(listing[entity]),
            out_of_order=said.kind == "CDC" and said.stamp < newest,
        )
        yield file, known


def _list(folder: Path, entity: Entity, warn: Warn) -> Iterator[tuple[str, Name]]:
    root = folder / entity.folder
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.name.startswith(".") or path.name.endswith(_UNSEEN) or path.is_dir():
            continue
        if said := read_name(path.name):
            yield name, said
        else:
            warn(f"{entity.folder}/{name}: neither a load nor a change file by its name, left aside")


def _warn_of_strangers(folder: Path, entities: Sequence[Entity], warn: Warn) -> None:
    declared = {entity.folder for entity in entities}
    for path in sorted(folder.glob("*/*")):
        name = path.relative_to(folder).as_posix()
        if name in declared or name.startswith(".") or path.name.startswith((".", "awsdms_")):
            continue
        if path.is_dir() and not path.parent.name.startswith("awsdms_"):
            warn(f"{name}: no entity is declared for this table, left aside")
        elif path.is_file() and not path.name.endswith(_UNSEEN):
            warn(f"{name}: lies in no table's folder, left aside")


def _ordered(listing: dict[Entity, dict[str, Name]]) -> list[tuple[Entity, str, Name]]:
    files = [(entity, name, said) for entity, names in listing.items() for name, said in names.items()]

    def place(file: tuple[Entity, str, Name]) -> tuple:
        entity, name, said = file
        if said.kind == "LOAD":
            return 0, entity.rank, entity.table, said.segment, name.rpartition("/")[0], said.part, name
        return 1, said.stamp, entity.rank, entity.table, name

    return sorted(files, key=place)


def _is_whole(names: dict[str, Name]) -> bool:
    """Whether one unsegmented LOAD00000001 is all there is of a table."""
    loads = [said for said in names.values() if said.kind == "LOAD"]
    return len(loads) == 1 and (loads[0].segment, loads[0].part) == (0, 1)


def _identity(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
