"""What lies where: the files of each line, by what their names say."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from onward.connect.objects import Object, Objects

from .filename import MARKER, Name, read_name, unseen
from .model import Entity

Warn = Callable[[str], object]


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


def files_of(objects: Objects, line: Line, warn: Warn, after: str = "") -> tuple[list[Found], datetime | None]:
    """The files of a line, those whose names come after `after`, and when its marker was written."""
    found, marked = [], None
    for object_ in objects.list(f"{line.folder}/", f"{line.folder}/{after}" if after else ""):
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


def warn_of_strangers(objects: Objects, lines: Sequence[Line], warn: Warn) -> None:
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
