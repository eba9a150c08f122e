"""What the name of a file says."""

import re
from typing import NamedTuple

from .model import Kind

_LOAD = re.compile(r"(?:SEGMENT(\d+)_)?LOAD([0-9A-F]{8})\.csv(?:\.gz)?")
_CHANGES = re.compile(r"(\d{8})-(\d{8,10})\.csv(?:\.gz)?")
_TRANSACTIONS = re.compile(r"CDC_TXN-(\d{17})\.csv(?:\.gz)?")
_UNSEEN = (".dfm", ".part", ".tmp")

MARKER = "_SUCCESS"
"""A file of this name in a table's folder says that the load is complete that was written before it."""


class Name(NamedTuple):
    """What a file name says. `stamp` is digits of date, time and microseconds."""

    kind: Kind
    segment: int = 0
    part: int = 0
    stamp: str = ""


def read_name(name: str) -> Name | None:
    """What a name says: a load is LOAD and a hexadecimal counter, a change file its time; None: neither."""
    if found := _LOAD.fullmatch(name):
        return Name("LOAD", int(found[1] or 0), int(found[2], 16))
    if found := _CHANGES.fullmatch(name):
        return Name("CDC", stamp=found[1] + found[2].ljust(12, "0"))
    if found := _TRANSACTIONS.fullmatch(name):
        return Name("TXN", stamp=found[1].ljust(20, "0"))
    return None


def unseen(name: str) -> bool:
    """Sidecars, unfinished and hidden files: left aside silently."""
    return name.startswith(".") or name.endswith(_UNSEEN)
