"""Objects of a replicated database -> those to deliver, in order."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field, structs

from onward.connect.objects import Folder, Object, ObjectGone, Objects

from .filename import MARKER, Name, read_name, unseen
from .model import Entity, File, Part
from .snapshot import Complete, completed, is_whole

Warn = Callable[[str], object]


class Seen(Struct, frozen=True, array_like=True):
    """A file as it was when it was delivered: the identity holds while size and mark stand."""

    size: int
    mark: str
    identity: str


class Cursor(Struct, frozen=True):
    """What has been delivered: per line (a source table, or the folder of transaction files) the files by name
    (path below its folder), and the time stamp of the newest change file. Names that left leave the cursor.
    """

    files: dict[str, dict[str, Seen]] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)

    def seen(self, line: str, name: str) -> Seen | None:
        return self.files.get(line, {}).get(name)

    def after(self, line: str, name: str, seen: Seen, stamp: str = "") -> "Cursor":
        files = self.files | {line: self.files.get(line, {}) | {name: seen}}
        return Cursor(files, self.newest | {line: max(self.newest.get(line, ""), stamp)})


class Line(NamedTuple):
    """What is delivered in order: a table, or (`entity` None) the folder of transaction files."""

    name: str
    folder: str
    entity: Entity | None = None

    @property
    def rank(self) -> int:
        return self.entity.rank if self.entity else 0


class Found(NamedTuple):
    """A file by its place: `name` below the folder of its line."""

    line: Line
    name: str
    said: Name
    object: Object


class Once:
    """Says each thing once."""

    def __init__(self, say: Warn) -> None:
        self._say, self._said = say, set[str]()

    def __call__(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._say(what)


def find(
    place: Objects | Path,
    entities: Sequence[Entity],
    cursor: Cursor | None = None,
    warn: Warn = lambda what: None,
    *,
    transactions: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[tuple[File, Cursor]]:
    """The files in `<schema>/<table>/` that the cursor does not know, each with the cursor after it.

    Order: all loads, parents first (rank), then by table, segment and part; then all changes, by time stamp,
    rank and table. So a table's loads come before its changes, whatever the names sort like. A name known
    with other content is delivered again; a change file older than the newest delivered one of its table is
    flagged `out_of_order`. A folder's content is read only where size or time differ from what the cursor knows.
    Where an entity removes what a load no longer has, a SNAPSHOT follows the parts of a load that is complete.

    Args:
        warn: called with a sentence for each thing that is left aside and should perhaps not be; wrap it in
            `Once` for a service. Sidecars (.dfm), unfinished files (.part, .tmp, a leading dot) and control
            tables (awsdms_...) are left aside silently.
        transactions: the folder of transaction files (`CdcPath`); a line of its own, in order.
        now: the time, UTC, for loads that are complete once they are quiet.
    """
    objects = Folder(place) if isinstance(place, Path) else place
    lines = [Line(entity.table, entity.folder, entity) for entity in entities]
    if transactions:
        lines.append(Line(transactions.strip("/"), transactions.strip("/")))
    listing: dict[Line, list[Found]] = {}
    snapshots: dict[Line, Complete] = {}
    for line in lines:
        files, marked = _list(objects, line, warn)
        listing[line] = files
        if complete := completed(line.entity, [(f.name, f.said, f.object.modified) for f in files], marked, now()):
            snapshots[line] = complete
    _warn_of_strangers(objects, lines, warn)
    known = _kept(cursor or Cursor(), listing)
    last: dict[str, Part] = {}
    for found in sorted((f for files in listing.values() for f in files), key=_place):
        line, name, said, object_ = found
        seen = known.seen(line.name, name)
        try:
            if seen is None or (seen.size, seen.mark) != (object_.size, object_.mark):
                fresh = Seen(object_.size, object_.mark, objects.identity(object_))
            else:
                fresh = seen
        except ObjectGone:
            continue
        newest = known.newest.get(line.name, "")
        known = known.after(line.name, name, fresh, said.stamp)
        if said.kind == "LOAD":
            last[line.name] = Part(object_.key, fresh.identity)
        if seen is None or seen.identity != fresh.identity:
            yield (
                File(
                    entity=line.entity.name if line.entity else "",
                    table=line.name,
                    key=object_.key,
                    path=f"{objects.where}/{object_.key}",
                    kind=said.kind,
                    size=object_.size,
                    modified=object_.modified,
                    identity=fresh.identity,
                    segment=said.segment,
                    part=said.part,
                    stamp=said.stamp,
                    whole=said.kind == "LOAD" and is_whole([f.said for f in listing[line]]),
                    out_of_order=said.kind != "LOAD" and said.stamp < newest,
                    needs=list(last.values()) if said.kind == "TXN" else [],
                ),
                known,
            )
        if line in snapshots and name == snapshots[line].names[-1]:
            for file, seen in _snapshot(line, snapshots[line], known, objects.where):
                last[line.name] = Part(file.key, file.identity)
                known = known.after(line.name, "LOAD", seen)
                yield file, known


def found_again(place: Objects, file: File) -> File | None:
    """The file with the content that it has now; None where it is gone, or nothing of its own (a SNAPSHOT)."""
    folder = file.key.rpartition("/")[0]
    for object_ in place.list(f"{folder}/"):
        if object_.key == file.key:
            try:
                identity = place.identity(object_)
            except ObjectGone:
                return None
            now = {"size": object_.size, "modified": object_.modified, "identity": identity}
            return structs.replace(file, **now)
    return None


def _list(objects: Objects, line: Line, warn: Warn) -> tuple[list[Found], datetime | None]:
    """The files of a line, and when its marker was written."""
    found, marked = [], None
    for object_ in objects.list(f"{line.folder}/"):
        name = object_.key[len(line.folder) + 1 :]
        last = name.rpartition("/")[2]
        said = read_name(last)
        if name == MARKER:
            marked = object_.modified
        elif said and (said.kind == "TXN") is (line.entity is None):
            found.append(Found(line, name, said, object_))
        elif last and not unseen(last) and not name.startswith("awsdms_"):
            what = "a transaction file" if line.entity is None else "a load or a change file"
            warn(f"{object_.key}: not {what} by its name, left aside")
    return found, marked


def _warn_of_strangers(objects: Objects, lines: Sequence[Line], warn: Warn) -> None:
    declared = {f"{line.folder}/" for line in lines}
    for schema in objects.names():
        if not schema.endswith("/") or schema.startswith((".", "awsdms_")) or schema in declared:
            continue
        for name in objects.names(schema):
            path = schema + name
            if any(folder.startswith(path) for folder in declared) or name.startswith((".", "awsdms_")):
                continue
            if name.endswith("/"):
                warn(f"{path[:-1]}: no entity is declared for this table, left aside")
            elif not unseen(name):
                warn(f"{path}: lies in no table's folder, left aside")


def _kept(cursor: Cursor, listing: dict[Line, list[Found]]) -> Cursor:
    """Without what left; what is known of a complete load stays."""
    files = {}
    for line, found in listing.items():
        names = {"LOAD", *(f.name for f in found)}
        files[line.name] = {name: seen for name, seen in cursor.files.get(line.name, {}).items() if name in names}
    return Cursor(files, cursor.newest)


def _place(found: Found) -> tuple:
    line, name, said, _ = found
    if said.kind == "LOAD":
        return 0, line.rank, line.name, said.segment, name.rpartition("/")[0], said.part, name
    return 1, said.stamp, line.rank, line.name, name


def _snapshot(line: Line, complete: Complete, known: Cursor, where: str) -> Iterator[tuple[File, Seen]]:
    entity = line.entity
    assert entity is not None
    there = [(name, known.seen(line.name, name)) for name in complete.names]
    parts = [Part(f"{line.folder}/{name}", seen.identity) for name, seen in there if seen]
    identity = complete.identity(parts)
    seen = known.seen(line.name, "LOAD")
    if len(parts) < len(there) or (seen and seen.identity == identity):
        return
    file = File(
        entity=entity.name,
        table=line.name,
        key=f"{line.folder}/LOAD",
        path=f"{where}/{line.folder}/LOAD",
        kind="SNAPSHOT",
        size=sum(seen.size for _, seen in there if seen),
        modified=complete.modified,
        identity=identity,
        parts=parts,
    )
    yield file, Seen(file.size, "", identity)
