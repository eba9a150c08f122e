"""Tables in a store in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from onward.changes import Where, firsts
from onward.document import Document, Edit, Query
from onward.errors import Conflict, Refused
from onward.log import TableSpec


class MemoryTables:
    """Documents and their history. Reads by plain calls, from any thread; see `onward.document.Documents`."""

    def __init__(self) -> None:
        self.declared: dict[str, TableSpec] = {}
        self._documents: dict[Where, Document] = {}
        self._history: dict[Where, list[Edit]] = {}
        self._one = threading.Lock()

    def declare(self, table: TableSpec) -> None:
        if table.name not in self.declared and table.was in self.declared:
            self._rename(table.was, table.name)
        self.declared[table.name] = table

    def check(self, edits: Sequence[Edit]) -> None:
        """As `sqlite_tables.write_edits` raises, before anything is changed."""
        for edit in edits:
            if edit.table not in self.declared:
                raise Refused(f"table {edit.table} is not declared; run the app that declares it")
        for edit in firsts(sorted(edits, key=lambda one: (one.table, one.key))):
            document = self.get(edit.table, edit.key)
            found = 0 if document is None else document.version
            if found != edit.version - 1:
                raise Conflict(edit.table, edit.key, edit.version - 1, found)

    def write(self, edits: Sequence[Edit]) -> None:
        with self._one:
            for edit in edits:
                self._documents[edit.table, edit.key] = edit.document
                self._history.setdefault((edit.table, edit.key), []).append(edit)

    def get(self, table: str, key: str) -> Document | None:
        return self._documents.get((table, key))

    def find(self, query: Query) -> Sequence[Document]:
        return query.arranged(self.all_of(query.table))

    def all_of(self, table: str) -> list[Document]:
        """All documents of a table that are kept here, deleted ones, too."""
        with self._one:
            return [document for (name, _), document in self._documents.items() if name == table]

    def history(self, table: str, key: str) -> Sequence[Edit]:
        return list(self._history.get((table, key), ()))

    def forget(self, app: str) -> None:
        """Lets go of all tables of an app."""
        with self._one:
            for kept in (self._documents, self._history):
                for where in [where for where in kept if where[0].startswith(f"{app}.")]:
                    del kept[where]  # type: ignore[attr-defined]
            self.declared = {name: spec for name, spec in self.declared.items() if not name.startswith(f"{app}.")}

    def _rename(self, was: str, name: str) -> None:
        with self._one:
            del self.declared[was]
            self._documents = {
                (name if table == was else table, key): document._replace(table=name) if table == was else document
                for (table, key), document in self._documents.items()
            }
            history = {where: edits for where, edits in self._history.items() if where[0] != was}
            for (table, key), edits in self._history.items():
                if table == was:
                    history[name, key] = [named(edit, name) for edit in edits]
            self._history = history


def named(edit: Edit, table: str) -> Edit:
    """The change under another name of its table."""
    return Edit(table, edit.key, edit.version, edit.action, edit.state, edit.value, edit.at, edit.by, edit.origin)
