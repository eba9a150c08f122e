"""Objects of a replicated database -> those to deliver, in order."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field, structs

from onward.connect.objects import Folder, ObjectGone, Objects

from .listing import Found, Line, Warn, files_of, warn_of_strangers
from .model import Entity, File, Part
from .snapshot import Complete, completed, is_whole

RECENT = 1_000
"""So many change files of a line are looked at in every listing; an older one that comes late in the next full one."""


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

    def recent(self, line: str) -> str:
        """The change file before the last RECENT ones, by the order of a listing; empty where there are no more.

        In that order changes come before loads, so loads are never passed over, unless below a folder of digits.
        """
        names = sorted(name for name in self.files.get(line, {}) if name[:1].isdigit() or name.startswith("CDC_TXN"))
        return names[-RECENT - 1] if len(names) > RECENT else ""

    def after(self, line: str, name: str, seen: Seen, stamp: str = "") -> "Cursor":
        files = self.files | {line: self.files.get(line, {}) | {name: seen}}
        return Cursor(files, self.newest | {line: max(self.newest.get(line, ""), stamp)})


def find(
    place: Objects | Path,
    entities: Sequence[Entity],
    cursor: Cursor | None = None,
    warn: Warn = lambda what: None,
    *,
    transactions: str = "",
    recent: bool = False,
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
        recent: pass over what comes before the last RECENT change files of each line, so that a listing stays short.
        transactions: the folder of transaction files (`CdcPath`); a line of its own, in order.
        now: the time, UTC, for loads that are complete once they are quiet.
    """
    objects = Folder(place) if isinstance(place, Path) else place
    lines = [Line(entity.table, entity.folder, entity) for entity in entities]
    if transactions:
        lines.append(Line(transactions.strip("/"), transactions.strip("/")))
    listing: dict[Line, list[Found]] = {}
    snapshots: dict[Line, Complete] = {}
    known = cursor or Cursor()
    afters = {line: known.recent(line.name) if recent else "" for line in lines}
    for line, after in afters.items():
        files, marked = files_of(objects, line, warn, after)
        listing[line] = files
        if complete := completed(line.entity, [(f.name, f.said, f.object.modified) for f in files], marked, now()):
            snapshots[line] = complete
    if not recent:
        warn_of_strangers(objects, lines, warn)
    known = _kept(known, listing, afters)
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
        news = seen is None or seen.identity != fresh.identity
        whole, file = None, None
        if line in snapshots and name == snapshots[line].names[-1]:
            whole, file = _snapshot(line, snapshots[line], known, objects.where)
            if whole is not None and snapshots[line].whole and (news or known.seen(line.name, "LOAD") is None):
                # Its own delivery looks through it.
                known, file = known.after(line.name, "LOAD", whole), None
        if news:
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
        if whole is not None and file is not None:
            last[line.name] = Part(file.key, file.identity)
            known = known.after(line.name, "LOAD", whole)
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


def _kept(cursor: Cursor, listing: dict[Line, list[Found]], afters: dict[Line, str]) -> Cursor:
    """Without what left; what was not listed and what is known of a complete load stays."""
    files = {}
    for line, found in listing.items():
        names = {"LOAD", *(f.name for f in found)}
        seen = cursor.files.get(line.name, {})
        files[line.name] = {name: each for name, each in seen.items() if name in names or name <= afters[line]}
    return Cursor(files, cursor.newest)


def _place(found: Found) -> tuple:
    line, name, said, _ = found
    if said.kind == "LOAD":
        return 0, line.rank, line.name, said.segment, name.rpartition("/")[0], said.part, name
    return 1, said.stamp, line.rank, line.name, name


def _snapshot(line: Line, complete: Complete, known: Cursor, where: str) -> tuple[Seen | None, File | None]:
    """A complete load as what is known of it, and as what is delivered; None where a part is gone, or it is no news."""
    entity = line.entity
    assert entity is not None
    there = [(name, known.seen(line.name, name)) for name in complete.names]
    parts = [Part(f"{line.folder}/{name}", seen.identity) for name, seen in there if seen]
    if len(parts) < len(there):
        return None, None
    identity = complete.identity(parts)
    before = known.seen(line.name, "LOAD")
    if before is not None and before.identity == identity:
        return None, None
    size = sum(seen.size for _, seen in there if seen)
    file = File(
        entity=entity.name,
        table=line.name,
        key=f"{line.folder}/LOAD",
        path=f"{where}/{line.folder}/LOAD",
        kind="SNAPSHOT",
        size=size,
        modified=complete.modified,
        identity=identity,
        parts=parts,
    )
    return Seen(size, "", identity), file
