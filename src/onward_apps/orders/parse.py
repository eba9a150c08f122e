"""A file -> canonical rows, in batches."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from .convert import Unfit, converter
from .errors import BadRow
from .layout import Layout, Mislaid
from .model import Column, Entity, File, fingerprints
from .read import LONGEST, QUOTED_TOKEN, Lines, Unreadable

BATCH = 1_000

Record = list[str]


class Batch(NamedTuple):
    """1..BATCH rows in file order.

    `ops` has I, U or D per row, or is None where the rows carry none; `columns` the canonical values in
    declared order; `hashes` one per row; `position` the bytes of the file read so far.
    """

    ops: Sequence[str] | None
    columns: list[Sequence[Any]]
    hashes: list[str]
    position: int


class Misfit(Exception):
    """Record `index` of a batch is not as declared."""

    def __init__(self, index: int, column: str, what: str) -> None:
        self.index, self.column, self.what = index, column, what


def parse(file: File, entity: Entity, *, batch: int = BATCH) -> Iterator[Batch]:
    """The rows of a CSV file (RFC 4180, gzipped if its name ends in .gz), memory bounded.

    Args:
        batch: rows per batch at most.

    Raises:
        BadRow: at the first row that is not as declared; batches before it have been yielded.
        FileChanged: the file is gone or is not the one found, known at the latest after the last batch.
    """
    lines = Lines(file, entity.null_token)
    records = _records(lines, entity)
    before = 0
    try:
        layout = _layout(file, entity, records)
        before = int(entity.header)
        convert = _Conversion(entity, layout, file.kind)
        while rows := list(islice(records, batch)):
            yield convert(rows, lines)
            before += len(rows)
    except Misfit as misfit:
        line = _line_of(before + misfit.index, file, entity)
        raise BadRow(file.key, line, misfit.column, misfit.what) from None
    except csv.Error as error:
        raise BadRow(file.key, _line_of(None, file, entity), "", f"is not CSV ({error})") from None
    except Unreadable as error:
        raise BadRow(file.key, error.line, "", str(error)) from None


def _records(lines: Lines, entity: Entity) -> Iterator[Record]:
    """Records without the blank lines; in a table of one column a blank line is a null."""
    csv.field_size_limit(LONGEST)
    records = csv.reader(lines, strict=True)
    return filter(None, records) if len(entity.columns) > 1 else ((record or [""]) for record in records)


def _layout(file: File, entity: Entity, records: Iterator[Record]) -> Layout:
    names = next(records, None) if entity.header else None
    if names is None:
        return Layout.declared(entity, file.kind)
    try:
        return Layout.of_header(entity, file.kind, names)
    except Mislaid as error:
        raise Misfit(0, "", str(error)) from None


def _line_of(number: int | None, file: File, entity: Entity) -> int:
    """The physical line on which record `number` starts; None: the one that is no CSV.

    Reads the file again: only who has an error pays for it.
    """
    csv.field_size_limit(LONGEST)
    records = csv.reader(Lines(file, entity.null_token), strict=True)
    start, index = 1, 0
    try:
        for record in records:
            if record or len(entity.columns) == 1:
                if index == number:
                    break
                index += 1
            start = records.line_num + 1
    except csv.Error:
        pass
    return start


class _Conversion:
    """Records of one layout -> batches."""

    def __init__(self, entity: Entity, layout: Layout, kind: str) -> None:
        self._layout = layout
        self._token = entity.null_token
        self._ops = frozenset("IUD" if kind == "CDC" else "I")
        self._kind = kind
        self._key = frozenset(entity.key)
        self._columns = [(column, converter(column)) for column in entity.fields]

    def __call__(self, rows: list[Record], lines: Lines) -> Batch:
        width = self._layout.width
        if set(map(len, rows)) != {width}:
            index, found = next((i, len(row)) for i, row in enumerate(rows) if len(row) != width)
            raise Misfit(index, "", f"has {found} fields, not {width}")
        fields = list(zip(*rows, strict=True))
        ops = None if self._layout.op is None else fields[self._layout.op]
        if ops and not self._ops.issuperset(ops):
            index = next(i for i, op in enumerate(ops) if op not in self._ops)
            raise Misfit(index, "Op", f"{ops[index][:40]!r} is no operation of a {self._kind} file")
        columns = [
            self._column(fields[place], column, convert, lines.marked)
            for place, (column, convert) in zip(self._layout.places, self._columns, strict=True)
        ]
        return Batch(ops, columns, fingerprints(list(zip(*columns, strict=True))), lines.position)

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
