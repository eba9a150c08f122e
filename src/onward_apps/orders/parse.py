"""A file -> canonical rows, in batches."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from onward.connect.objects import ObjectGone

from .convert import Unfit, converter
from .errors import BadRow, FileChanged
from .layout import Layout, Mislaid
from .model import Column, Entity, File
from .plain import Plain
from .read import LONGEST, QUOTED_TOKEN, Lines, Open, Unreadable, from_disk

BATCH = 1_000

Record = list[str]


class Batch(NamedTuple):
    """1..BATCH rows in file order.

    `ops` has I, U or D per row, or is None where the rows carry none; `columns` the canonical values in
    declared order; `expected` is an estimate of all rows of the file.
    """

    count: int
    ops: Sequence[str] | None
    columns: list[Sequence[Any]]
    expected: int = 0


class Text(NamedTuple):
    """Lines of a file as a database takes them, one row each. `fields` is what each field of them is, see `Layout`."""

    count: int
    text: str
    fields: tuple[str | None, ...]
    expected: int = 0


Piece = Batch | Text


class Misfit(Exception):
    """Record `index` of a batch is not as declared."""

    def __init__(self, index: int, column: str, what: str) -> None:
        self.index, self.column, self.what = index, column, what


def parse(file: File, entity: Entity, *, batch: int = BATCH, open_: Open = from_disk) -> Iterator[Batch]:
    """The rows of a CSV file (RFC 4180, gzipped if its name ends in .gz), memory bounded.

    Batches are full but for the last.

    Args:
        batch: rows per batch at most.
        open_: reads the file's bytes.

    Raises:
        BadRow: at the first row that is not as declared; batches before it have been yielded.
        FileChanged: the file is gone or is not the one found, known at the latest after the last batch.
    """
    source = Source(file, entity.null_token, open_, blank=len(entity.columns) == 1)
    with source.faults():
        layout = _layout(file, entity, source)
        convert = Conversion(entity, layout, file.kind)
        while rows := list(islice(source.records, batch)):
            yield convert(rows, source.lines)
            source.before += len(rows)


def pieces(file: File, entity: Entity, *, open_: Open = from_disk) -> Iterator[Piece]:
    """As `parse`, but what a database can take as it stands comes as Text. See there for what is raised."""
    source = Source(file, entity.null_token, open_, blank=len(entity.columns) == 1)
    with source.faults():
        texts = source.lines.texts()
        first = next(texts, "")
        if entity.header:
            names, _, first = first.lstrip("\r\n").partition("\n")
            source.read(f"{names}\n" if names else "")
        layout = _layout(file, entity, source)
        convert, plain = Conversion(entity, layout, file.kind), Plain(entity, layout, file.kind)
        for text in chain([first], texts):
            if (taken := plain(text)) is not None:
                if count := taken.count("\n"):
                    yield Text(count, taken, plain.fields, source.lines.expected)
                    source.before += count
                continue
            source.read(text)
            while rows := list(islice(source.records, BATCH)):
                yield convert(rows, source.lines)
                source.before += len(rows)


class Source:
    """The records of a file, and where in it they are.

    Args:
        blank: whether a blank line is a record of one null; else it is left out.
    """

    def __init__(self, file: File, null_token: str, open_: Open, *, blank: bool) -> None:
        self._file, self._token, self._open, self._blank = file, null_token, open_, blank
        self.lines = Lines(file, null_token, open_)
        self.before = 0
        csv.field_size_limit(LONGEST)
        self.records = self._records(self.lines)

    def read(self, text: str) -> None:
        """Goes on with the records of a piece of the file."""
        self.records = self._records(self.lines.marked_lines(text))

    def faults(self) -> "_Faults":
        """Within it a fault of the file becomes a BadRow that names the line."""
        return _Faults(self)

    def bad_row(self, error: Misfit | csv.Error | Unreadable) -> BadRow | FileChanged:
        """What a fault is to be called: a file that was replaced while it was read is none to blame."""
        key = self._file.key
        try:
            for _ in self._open(self._file):
                pass
        except ObjectGone:
            return FileChanged(key)
        if isinstance(error, Misfit):
            return BadRow(key, self._line_of(self.before + error.index), error.column, error.what)
        if isinstance(error, Unreadable):
            return BadRow(key, error.line, "", str(error))
        return BadRow(key, self._line_of(None), "", f"is not CSV ({error})")

    def _records(self, lines: Iterable[str]) -> Iterator[Record]:
        reader = csv.reader(lines, strict=True)
        return (record or [""] for record in reader) if self._blank else filter(None, reader)

    def _line_of(self, number: int | None) -> int:
        """The physical line on which record `number` starts; None: the one that is no CSV.

        Reads the file again: only who has an error pays for it.
        """
        records = csv.reader(Lines(self._file, self._token, self._open), strict=True)
        start, index = 1, 0
        try:
            for record in records:
                if record or self._blank:
                    if index == number:
                        break
                    index += 1
                start = records.line_num + 1
        except csv.Error:
            pass
        return start


class _Faults:
    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Misfit | csv.Error | Unreadable):
            raise self._source.bad_row(error) from None


def _layout(file: File, entity: Entity, source: Source) -> Layout:
    names = next(source.records, None) if entity.header else None
    if names is None:
        return Layout.declared(entity, file.kind)
    try:
        layout = Layout.of_header(entity, file.kind, names)
    except Mislaid as error:
        raise Misfit(0, error.column, str(error)) from None
    source.before = 1
    return layout


class Conversion:
    """Records of one layout -> batches."""

    def __init__(self, entity: Entity, layout: Layout, kind: str) -> None:
        self._layout = layout
        self._token = entity.null_token
        self._ops = frozenset("I" if kind == "LOAD" else "IUD")
        self._kind = kind
        self._key = frozenset(entity.key)
        self._columns = [(column, converter(column)) for column in entity.fields]

    def __call__(self, rows: list[Record], lines: Lines) -> Batch:
        """
        Raises:
            Misfit: the first row that is not as declared.
        """
        width = self._layout.width
        if set(map(len, rows)) != {width}:
            index, found = next((i, len(row)) for i, row in enumerate(rows) if len(row) != width)
            names = dict(zip(self._layout.places, (column.name for column, _ in self._columns), strict=True))
            raise Misfit(index, names.get(found, ""), f"the row has {found} fields, not {width}")
        fields = list(zip(*rows, strict=True))
        ops = None if self._layout.op is None else fields[self._layout.op]
        if ops and not self._ops.issuperset(ops):
            index = next(i for i, op in enumerate(ops) if op not in self._ops)
            raise Misfit(index, "Op", f"{ops[index][:40]!r} is no operation of a {self._kind} file")
        columns = [
            self._column(fields[place], column, convert, lines.marked)
            for place, (column, convert) in zip(self._layout.places, self._columns, strict=True)
        ]
        return Batch(len(rows), ops, columns, lines.expected)

    def _column(self, values: Sequence[str], column: Column, convert: Any, marked: bool) -> Sequence[Any]:
        token = self._token
        nulls = token in values
        if nulls and column.name in self._key:
            raise Misfit(values.index(token), column.name, "is null, and is part of the key")
        present = [value for value in values if value != token] if nulls else values
        if marked and QUOTED_TOKEN in present:
            present = [token if value == QUOTED_TOKEN else value for value in present]
        try:
            done = convert(present) if present else ()
        except Unfit as error:
            index = error.index
            if nulls:
                index = [i for i, value in enumerate(values) if value != token][index]
            raise Misfit(index, column.name, error.what) from None
        if not nulls:
            return done
        following = iter(done)
        return [None if value == token else next(following) for value in values]
