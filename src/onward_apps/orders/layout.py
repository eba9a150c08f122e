"""Which field of a record is which column."""

from collections.abc import Sequence
from dataclasses import dataclass

from .model import Entity, Kind

OP = "Op"
"""Name of the operation column in a header, whatever its case."""


class Mislaid(ValueError):
    """A header does not name the columns that the entity declares. `column` is the first that is wrong."""

    def __init__(self, column: str, what: str) -> None:
        self.column = column
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of the fields in a record of `width` fields: the operation's (or None), and one per column."""

    width: int
    op: int | None
    places: tuple[int, ...]

    def fields(self, entity: Entity, kind: Kind) -> tuple[str | None, ...]:
        """What each field of a record is: `op`, a column by its name, or None for what is read over."""
        names: dict[int | None, str] = dict(zip(self.places, entity.names, strict=True))
        if kind != "LOAD":
            names[self.op] = "op"
        return tuple(names.get(place) for place in range(self.width))

    @classmethod
    def declared(cls, entity: Entity, kind: Kind) -> "Layout":
        """Operation, time of commit, columns in declared order (or the time at the end).

        In a transaction file table and schema follow the operation.
        """
        if kind == "TXN":
            return cls._placed(entity, 3)
        return cls._placed(entity, int(entity.load_has_op if kind == "LOAD" else entity.cdc_has_op))

    @classmethod
    def _placed(cls, entity: Entity, before: int) -> "Layout":
        time = int(bool(entity.timestamp_column))
        first = before + (0 if entity.timestamp_last else time)
        count = len(entity.columns)
        return cls(before + time + count, 0 if before else None, tuple(range(first, first + count)))

    @classmethod
    def of_header(cls, entity: Entity, kind: Kind, names: Sequence[str]) -> "Layout":
        """The order that the header gives.

        Raises:
            Mislaid: a declared column is missing, or one is there that is not declared.
        """
        rest = {name: place for place, name in enumerate(names)}
        if len(rest) < len(names):
            twice = next(name for place, name in enumerate(names) if rest[name] != place)
            raise Mislaid(twice, f"the header names a column twice: {', '.join(names)}")
        if missing := [name for name in entity.names if name not in rest]:
            raise Mislaid(missing[0], f"the header does not name {', '.join(missing)}")
        places = tuple(rest.pop(name) for name in entity.names)
        rest.pop(entity.timestamp_column, None)
        op = next((rest.pop(name) for name in list(rest) if name.lower() == OP.lower()), None)
        if rest:
            raise Mislaid(next(iter(rest)), f"the header names {', '.join(rest)}, which {entity.name} does not declare")
        if op is None and (entity.load_has_op if kind == "LOAD" else entity.cdc_has_op):
            raise Mislaid(OP, f"the header names no operation column {OP}")
        return cls(len(names), op, places)
