"""A CSV file -> what is in it, and an entity to declare it by."""

import re
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, combinations, islice
from pathlib import Path

from .convert import Unfit, converter
from .errors import BadRow
from .filename import read_name
from .model import Column, File
from .parse import BATCH, Record, Source
from .read import QUOTED_TOKEN, Open

MOST_COLUMNS = 6
"""Of so many columns keys of two and three are tried."""

_GUESSES = ("boolean", "integer", "decimal", "float", "date", "timestamp", "json", "text")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*")
_CODE = re.compile(r"0[0-9]")
"""So begins what looks like a number and is none, as 007."""
_NUMBER = re.compile(r"[+-]?([0-9]+)(?:\.([0-9]+))?")


class Profile:
    """What is known of one column, over all rows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nulls = self.rows = 0
        self.whole = self.scale = 0
        self._left = list(_GUESSES)
        self._seen: array | None = array("q")

    def take(self, values: Sequence[str | None]) -> None:
        present = [value for value in values if value is not None]
        self.rows += len(values)
        self.nulls += len(values) - len(present)
        self._note(values)
        self._left = [type_ for type_ in self._left if self._fits(type_, present)]

    @property
    def type(self) -> str:
        if self.nulls == self.rows or not self._left:
            return "text"
        first = self._left[0]
        return f"decimal({self.whole + self.scale + 2},{self.scale})" if first == "decimal" else first

    @property
    def is_key(self) -> bool:
        """Whether every row has another value, and all have one."""
        return self.rows > 0 and not self.nulls and self._seen is not None and _all_differ(self._seen)

    def _note(self, values: Sequence[str | None]) -> None:
        """Keeps 8 bytes per row, and nothing once a value has come twice in one batch."""
        if self._seen is None:
            return
        if self.nulls or len(set(values)) < len(values):
            self._seen = None
        else:
            self._seen.extend(map(hash, values))

    def _fits(self, type_: str, values: list[str]) -> bool:
        if type_ == "text" or not values:
            return True
        if type_ == "boolean":
            return {value.lower() for value in values} <= {"true", "false", "t", "f", "yes", "no", "y", "n"}
        if type_ == "json":
            return all(value[:1] in ("{", "[") for value in values) and _converts("json", values)
        if type_ in ("integer", "decimal", "float") and any(map(_CODE.match, values)):
            return False
        return self._measured(values) if type_ == "decimal" else _converts(type_, values)

    def _measured(self, values: list[str]) -> bool:
        for value in values:
            found = _NUMBER.fullmatch(value)
            if found is None:
                return False
            self.whole = max(self.whole, len(found[1]))
            self.scale = max(self.scale, len(found[2] or ""))
        return self.scale <= 12


def profile(
    path: Path, *, name: str = "", header: bool | None = None, op: bool | None = None, null_token: str = ""
) -> str:
    """Text: rows, per column null rate, type guess and whether it is unique; keys; and an entity to declare.

    Memory is bounded by 8 bytes per row and column that is unique.

    Args:
        name: of the entity; else the file's folder, or the file.
        header, op: whether line 1 names the columns, and rows begin with an operation; guessed unless said.

    Raises:
        BadRow: it is no CSV, or rows have different numbers of fields.
        FileNotFoundError: there is no such file.
    """
    sample = list(islice(_records(path, null_token), 100))
    op = _has_op(sample) if op is None else op
    header = _has_header(sample) if header is None else header
    width = len(sample[0]) if sample else 0
    names = [n.strip() or f"column_{i}" for i, n in enumerate(sample[0], 1)] if header else _numbered(width, op)
    columns = [Profile(each) for each in names][int(op) :]
    rows = 0
    for batch in _batches(path, null_token, header, width):
        rows += len(batch)
        fields = list(zip(*batch, strict=True))[int(op) :]
        for column, values in zip(columns, fields, strict=True):
            column.take([_value(value, null_token) for value in values])
    key = _key(path, null_token, header, width, columns, int(op))
    entity = name or _called(path)
    told = _told(path, rows, columns, key, op, header)
    return "\n".join([*told, "", *_declared(entity, path, columns, key, header, op, null_token)]) + "\n"


def _told(
    path: Path, rows: int, columns: Sequence[Profile], key: Sequence[str], op: bool, header: bool
) -> Iterator[str]:
    yield (
        f"{path}: {rows} rows" + (", line 1 names the columns" if header else "") + (", with operations" if op else "")
    )
    wide = max((len(column.name) for column in columns), default=0)
    for column in columns:
        rate = column.nulls / column.rows if column.rows else 0.0
        yield f"  {column.name:{wide}}  {column.type:16}  {rate:6.1%} null" + ("  unique" if column.is_key else "")
    yield f"key: {', '.join(key)}" if key else "key: none found; name the columns that tell rows apart"


def _declared(
    name: str, path: Path, columns: Sequence[Profile], key: Sequence[str], header: bool, op: bool, null_token: str
) -> Iterator[str]:
    yield "from onward_apps.orders import Entity"
    yield ""
    yield f"{name.upper()} = Entity("
    yield f"    {name!r},".replace("'", '"')
    yield "    {"
    for column in columns:
        yield f"        {_quoted(column.name)}: {_quoted(column.type)},"
    yield "    },"
    yield f"    key=[{', '.join(map(_quoted, key))}],"
    said = read_name(path.name)
    if header:
        yield "    header=True,"
    if said and said.kind == "LOAD" and op:
        yield "    load_has_op=True,"
    if said and said.kind == "CDC" and not op:
        yield "    cdc_has_op=False,"
    if null_token:
        yield f"    null_token={_quoted(null_token)},"
    yield ")"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _records(path: Path, null_token: str) -> Iterator[Record]:
    size = path.stat().st_size
    file = File("", "", path.name, str(path), "LOAD", size, datetime.fromtimestamp(0, UTC), "")
    source = Source(file, null_token, _whatever(path), blank=False)
    with source.faults():
        yield from source.records


def _whatever(path: Path) -> Open:
    """Its bytes, whichever they are."""

    def pieces(file: File) -> Iterator[bytes]:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 17):
                yield piece

    return pieces


def _batches(path: Path, null_token: str, header: bool, width: int) -> Iterator[list[Record]]:
    records = islice(_records(path, null_token), int(header), None)
    before = int(header)
    while rows := list(islice(records, BATCH)):
        for number, row in enumerate(rows, before + 1):
            if len(row) != width:
                raise BadRow(path.name, 0, "", f"record {number} has {len(row)} fields, the first has {width}")
        before += len(rows)
        yield rows


def _value(value: str, null_token: str) -> str | None:
    return None if value == null_token else null_token if value == QUOTED_TOKEN else value


def _has_op(sample: Sequence[Record]) -> bool:
    """Rows after a possible header begin with I, U or D."""
    rows = sample[1:] or sample
    return bool(rows) and all(len(row) > 1 and row[0] in ("I", "U", "D") for row in rows)


def _has_header(sample: Sequence[Record]) -> bool:
    """Line 1 is different names, and some column of what follows is of a type that its name is not."""
    if len(sample) < 2 or len(set(sample[0])) < len(sample[0]) or not all(map(_NAME.fullmatch, sample[0])):
        return False
    rows = [row for row in sample[1:] if len(row) == len(sample[0])]
    below = [[value for value in values if value] for values in zip(*rows, strict=True)]
    return any(
        values and any(_converts(type_, values) for type_ in ("integer", "float", "date", "timestamp"))
        for values in below
    )


def _numbered(width: int, op: bool) -> list[str]:
    return [*(["Op"] * op), *(f"column_{number}" for number in range(1, width + 1 - op))]


def _converts(type_: str, values: Sequence[str]) -> bool:
    try:
        converter(Column("guess", type_))(values)
    except Unfit:
        return False
    return True


def _key(
    path: Path, null_token: str, header: bool, width: int, columns: Sequence[Profile], skip: int
) -> tuple[str, ...]:
    """The first unique column, else the first two or three that are unique together."""
    if single := next((column.name for column in columns if column.is_key), None):
        return (single,)
    filled = [i for i, column in enumerate(columns) if not column.nulls and column.rows][:MOST_COLUMNS]
    tried = {places: array("q") for places in chain(combinations(filled, 2), combinations(filled, 3))}
    for batch in _batches(path, null_token, header, width):
        for places in list(tried):
            values = [hash(tuple(row[skip + place] for place in places)) for row in batch]
            if len(set(values)) < len(values):
                del tried[places]
            else:
                tried[places].extend(values)
    found = next((places for places, seen in tried.items() if seen and _all_differ(seen)), ())
    return tuple(columns[place].name for place in found)


def _all_differ(hashes: array) -> bool:
    ordered = sorted(hashes)
    return all(one != other for one, other in zip(ordered, islice(ordered, 1, None), strict=False))


def _called(path: Path) -> str:
    """The table's folder where the file is called as a replicator does, else the file."""
    text = path.resolve().parent.name if read_name(path.name) else path.name.partition(".")[0]
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"t_{name}"
