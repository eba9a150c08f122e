"""Which load files of a table are all of it: only against those may a row be missed."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from onward.units import duration

from .filename import Name
from .model import Entity, Part

Loads = list[tuple[str, Name, datetime]]


class Complete(NamedTuple):
    """The parts of one generation, in the order of their delivery, and when the last was written.

    `whole`: it is a single file, whose own delivery removes what it does not have.
    """

    names: list[str]
    modified: datetime
    whole: bool = False

    def identity(self, parts: Sequence[Part]) -> str:
        return hashlib.sha256("\n".join(f"{part.key} {part.identity}" for part in parts).encode()).hexdigest()


def is_whole(names: Sequence[Name]) -> bool:
    """Whether one unsegmented LOAD00000001 is all there is of a table: it counts as complete by itself."""
    loads = [said for said in names if said.kind == "LOAD"]
    return len(loads) == 1 and (loads[0].segment, loads[0].part) == (0, 1)


def completed(entity: Entity | None, files: Loads, marked: datetime | None, now: datetime) -> Complete | None:
    """The load that is there in full, if the entity removes what a load no longer has.

    A generation begins with its part 1: parts that are older than it are what an earlier one left behind. It is
    complete when a change file or the marker was written after its last part, or it was quiet long enough.

    Args:
        files: path, what the name says, and when it was written.
        marked: when the marker was written.
    """
    if entity is None or not entity.remove_absent:
        return None
    if is_whole([said for _, said, _ in files]):
        [(name, _, modified)] = [file for file in files if file[1].kind == "LOAD"]
        return Complete([name], modified, whole=True)
    parts = _generation([file for file in files if file[1].kind == "LOAD"])
    if not parts:
        return None
    last = max(modified for _, _, modified in parts)
    followed = any(said.kind == "CDC" and modified > last for _, said, modified in files)
    quiet = bool(entity.load_quiet) and now - last >= timedelta(seconds=duration(entity.load_quiet))
    if not (followed or quiet or (marked is not None and marked >= last)):
        return None
    return Complete([name for name, _, _ in parts], last)


def _generation(loads: Loads) -> Loads:
    """Nothing where a part is missing."""

    def group(file: tuple[str, Name, datetime]) -> tuple[int, str]:
        return file[1].segment, file[0].rpartition("/")[0]

    found: Loads = []
    for _, files in groupby(sorted(loads, key=lambda file: (*group(file), file[1].part)), group):
        parts = list(files)
        if parts[0][1].part != 1:
            return []
        ours = [file for file in parts if file[2] >= parts[0][2]]
        if [said.part for _, said, _ in ours] != list(range(1, len(ours) + 1)):
            return []
        found += ours
    return found
