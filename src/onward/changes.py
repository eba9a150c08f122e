"""Changes to tables that are not committed yet, and what is read through them.

Handlers read through three layers: what their own unit has changed, what earlier units of their lane have changed
and is not committed, and what the store holds. A call that fails takes back what it has changed, and nothing else.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from onward.document import Action, Document, Documents, Edit, Query
from onward.errors import OutsideUnit, Refused, StoreAway, StoreUncertain, Unavailable
from onward.undo import Undo

Where = tuple[str, str]
"""A table and a key."""


class Pending:
    """What a lane has changed and not committed, over what the store holds. Read by threads, changed on the loop.

    A store that is away is an outage to those who read (`Unavailable`): it says nothing of their records.
    """

    def __init__(self, store: Documents) -> None:
        self._store = store
        self._over: dict[Where, Document] = {}
        self._history: dict[Where, list[Edit]] = {}

    def get(self, table: str, key: str) -> Document | None:
        found = self._over.get((table, key))
        with _store_is_outside():
            return self._store.get(table, key) if found is None else found

    def find(self, query: Query) -> Sequence[Document]:
        with _store_is_outside():
            return overlaid(self._store.find, query, self._over)

    def history(self, table: str, key: str) -> Sequence[Edit]:
        more = list(self._history.get((table, key), ()))
        with _store_is_outside():
            return followed(self._store.history(table, key), more)

    def take(self, edits: Sequence[Edit]) -> bool:
        """Takes over what a unit has changed; not if another unit of this lane has changed one of its documents since
        the unit read it. What others have changed shows when it is committed."""
        for edit in firsts(edits):
            found = self._over.get((edit.table, edit.key))
            if found is not None and found.version != edit.version - 1:
                return False
        for edit in edits:
            self._over[edit.table, edit.key] = edit.document
            self._history.setdefault((edit.table, edit.key), []).append(edit)
        return True

    def committed(self, edits: Sequence[Edit]) -> None:
        """The store has them now."""
        for edit in edits:
            where = (edit.table, edit.key)
            if where in self._over and self._over[where].version <= edit.version:
                del self._over[where]
            self._history[where] = [one for one in self._history.get(where, ()) if one.version > edit.version]
            if not self._history[where]:
                del self._history[where]


class Changes(Undo):
    """What one unit, or one block of a client, changes; `edits` are in order. For one thread, or one task, at a time.

    Args:
        beneath: what is read where nothing is changed here.
        by: who changes.
        now: gives the instant of a change.
        prefix: of positions, `TOPIC:PARTITION:`; empty for a client.
        refuse: why nothing may be changed; empty where it may.
    """

    def __init__(
        self, beneath: Documents, by: str, now: Callable[[], float], *, prefix: str = "", refuse: str = ""
    ) -> None:
        self.edits: list[Edit] = []
        self._beneath = beneath
        self._by = by
        self._now = now
        self._prefix = prefix
        self._refuse = refuse
        self._over: dict[Where, Document] = {}
        # What a call has read it changes as it read it: another version that came meanwhile has to be found out.
        self._seen: dict[Where, Document | None] = {}
        self._marked = 0
        self._at = (0, 0)

    @property
    def changed(self) -> bool:
        return bool(self.edits)

    def here(self) -> AbstractContextManager[None]:
        return bound(self)

    def mark(self, first: int, last: int) -> None:
        self._marked = len(self.edits)
        self._at = (first, last)
        self._seen.clear()

    def back(self, error: BaseException | None = None) -> None:
        self._seen.clear()
        if len(self.edits) > self._marked:
            del self.edits[self._marked :]
            self._over = {(edit.table, edit.key): edit.document for edit in self.edits}

    def get(self, table: str, key: str) -> Document | None:
        where = (table, key)
        if (found := self._over.get(where)) is not None:
            return found
        if where not in self._seen:
            self._seen[where] = self._beneath.get(table, key)
        return self._seen[where]

    def find(self, query: Query) -> Sequence[Document]:
        found = overlaid(self._beneath.find, query, self._over)
        for document in found:
            self._seen.setdefault((document.table, document.key), document)
        return found

    def history(self, table: str, key: str) -> Sequence[Edit]:
        mine = [edit for edit in self.edits if (edit.table, edit.key) == (table, key)]
        return followed(self._beneath.history(table, key), mine)

    def write(self, table: str, key: str, action: Action, state: str | None, value: bytes | None) -> None:
        """Changes a document, on the version that was read here first."""
        if self._refuse:
            raise Refused(f"table {table}: {self._refuse}")
        before = self.get(table, key)
        version = 1 if before is None else before.version + 1
        origin = None
        if self._prefix:
            first, last = self._at
            origin = f"{self._prefix}{first}" if first == last else f"{self._prefix}{first}-{last}"
        edit = Edit(table, key, version, action, state, value, self._now(), self._by, origin)
        self.edits.append(edit)
        self._over[table, key] = edit.document


_bound: contextvars.ContextVar[Changes | None] = contextvars.ContextVar("onward_changes", default=None)


@contextlib.contextmanager
def bound(changes: Changes) -> Iterator[None]:
    """While the block runs, tables that are called in it (and in what it starts) read and change through these."""
    before = _bound.set(changes)
    try:
        yield
    finally:
        _bound.reset(before)


def here(table: str) -> Changes:
    """Those that are bound where this is called.

    Raises:
        OutsideUnit: none are.
    """
    found = _bound.get()
    if found is None:
        raise OutsideUnit(table)
    return found


def firsts(edits: Iterable[Edit]) -> list[Edit]:
    """The first edit of each document."""
    found: dict[Where, Edit] = {}
    for edit in edits:
        found.setdefault((edit.table, edit.key), edit)
    return list(found.values())


def overlaid(
    beneath: Callable[[Query], Sequence[Document]], query: Query, over: Mapping[Where, Document]
) -> list[Document]:
    """What is asked for, where some documents are other than `beneath` finds them."""
    mine = [document for (table, _), document in list(over.items()) if table == query.table]
    if not mine:
        return list(beneath(query))
    keys = {document.key for document in mine}
    more = query if query.limit is None else _with_limit(query, query.limit + len(keys))
    return query.arranged([*mine, *(one for one in beneath(more) if one.key not in keys)])


def followed(before: Sequence[Edit], after: Sequence[Edit]) -> list[Edit]:
    """A history and what follows it, each version once: what was being committed may be in both."""
    last = before[-1].version if before else 0
    return [*before, *(edit for edit in after if edit.version > last)]


@contextlib.contextmanager
def _store_is_outside() -> Iterator[None]:
    try:
        yield
    except (StoreAway, StoreUncertain) as error:
        raise Unavailable(f"a table cannot be read: {error}") from error


def _with_limit(query: Query, limit: int) -> Query:
    return Query(query.table, query.conditions, query.order, query.descending, limit)
