"""Text of a file that a database can take as it stands."""

from __future__ import annotations

import re

from .convert import DAY, TIME
from .layout import Layout
from .model import Column, Entity, Kind

_BARE = r'[^",\r\n]'
_QUOTED = r'"(?:[^"\r\n]|"")*+"'
_CUT = re.compile(r"(:[0-9]{2}\.[0-9]{6})[0-9]")


class Plain:
    """Finds pieces whose every line is a record without a line break in it, its values written as they are stored, or
    in a spelling that says the same everywhere.

    One regular expression over a whole piece: no object is made per row. What it does not take is not wrong: a piece
    may always be read record by record.
    """

    def __init__(self, entity: Entity, layout: Layout, kind: Kind) -> None:
        self.fields = layout.fields(entity, kind)
        self._possible = len(self.fields) > 1
        self._entity, self._load, self._op = entity, kind == "LOAD", layout.op
        self._all = self._lines(":", 6)
        self._finer = self._lines("", 7) if any(column.type == "timestamp" for column in entity.fields) else None

    def __call__(self, text: str) -> str | None:
        """The piece as it can be taken; None where it must be read.

        A timestamp of seven digits, as SQL Server writes it, loses the last. No other field may then look like a time.
        """
        if not self._possible:
            return None
        if self._all.fullmatch(text):
            return text
        if self._finer and self._finer.fullmatch(text):
            return "".join(_CUT.split(text))
        return None

    def _lines(self, colon: str, digits: int) -> re.Pattern[str]:
        columns = {column.name: column for column in self._entity.fields}
        texts = [_BARE, _QUOTED] if colon else [_BARE.replace("^", "^:"), _QUOTED.replace('[^"', '[^":')]
        fields = []
        for place, name in enumerate(self.fields):
            if place == self._op:
                fields.append("I" if self._load else "[IUD]")
            elif name is None:
                fields.append(f"(?:{texts[0]}*+|{texts[1]})")
            else:
                fields.append(self._field(columns[name], texts, digits))
        return re.compile(f"(?:{','.join(fields)}\n)*+")

    def _field(self, column: Column, texts: list[str], digits: int) -> str:
        token, is_key = self._entity.null_token, column.name in self._entity.key
        null = f"{re.escape(token)}(?=[,\n])"
        if column.type == "text":
            bare = f"{texts[0]}*+"
            return f"(?:(?!{null}){bare}|{texts[1]})" if is_key else f"(?:{bare}|{texts[1]})"
        value = _value(column, digits)
        return f"(?:{value})" if is_key else f"(?:{null}|{value})"


def _value(column: Column, digits: int) -> str:
    match column.type:
        case "integer":
            return "-?+[0-9]{1,18}+"
        case "decimal":
            fraction = rf"(?:\.[0-9]{{1,{column.scale}}}+)?+" if column.scale else ""
            return rf"-?+[0-9]{{1,{column.precision - column.scale}}}+{fraction}"
        case "float":  # no negative zero, and nothing near the bounds
            return r"(?:-(?=[0.]*+[1-9]))?+[0-9]{1,17}+(?:\.[0-9]{1,17}+)?+(?:[eE][+-]?+[0-9]{1,2}+)?+"
        case "boolean":
            return "(?i:true|false|yes|no|[01tfyn])"
        case "date":
            return DAY
        case "timestamp":
            return rf"{DAY}[ T]{TIME}(?:\.[0-9]{{1,{digits}}}+)?+Z?+"
        case _:
            return r"\{\}"
