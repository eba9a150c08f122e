"""Tables laid over those of a store: read from there, changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onward.changes import followed, overlaid
from onward.document import Document, Documents, Edit, Query
from onward.log import TableSpec
from onward.logs.memory_tables import MemoryTables, named


class TablesOver(MemoryTables):
    """`known` are the tables of the store; of one that is renamed here, the store keeps the old name."""

    def __init__(self, beneath: Documents, known: Mapping[str, TableSpec]) -> None:
        super().__init__()
        self._beneath = beneath
        self._known = known
        self._home = {name: name for name in known}

    def declare(self, table: TableSpec) -> None:
        if table.was in self._home and table.name not in self._home:
            self._home[table.name] = self._home.pop(table.was)
        super().declare(table)

    def get(self, table: str, key: str) -> Document | None:
        found = super().get(table, key)
        if found is not None or table not in self._home:
            return found
        there = self._beneath.get(self._home[table], key)
        return None if there is None else there._replace(table=table)

    def find(self, query: Query) -> Sequence[Document]:
        changed = {(document.table, document.key): document for document in self.all_of(query.table)}
        return overlaid(self._find_beneath, query, changed)

    def history(self, table: str, key: str) -> Sequence[Edit]:
        there = self._beneath.history(self._home[table], key) if table in self._home else ()
        return followed([named(edit, table) for edit in there], super().history(table, key))

    def _find_beneath(self, query: Query) -> Sequence[Document]:
        """What the store finds; by looking at all, where it is not indexed there as it is here."""
        if (home := self._home.get(query.table)) is None:
            return []
        fields = {one.field for one in query.conditions} | ({query.order} if query.order is not None else set())
        if fields <= set(self._known[home].index):
            there = Query(home, query.conditions, query.order, query.descending, query.limit)
            return [document._replace(table=query.table) for document in self._beneath.find(there)]
        everything = self._beneath.find(Query(home))
        return query.arranged(document._replace(table=query.table) for document in everything)
