"""Taking back what single calls of a handler have changed."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from onward.document import Edit


class Undo:
    """What takes back a call that failed: nothing by itself; a savepoint `within` a database, changes to tables."""

    edits: list[Edit] = []  # noqa: RUF012 - what there is nothing of

    @property
    def changed(self) -> bool:
        """Whether calls may have changed something since the unit began, so that what they give has to be proved
        writable before the next call: after it, it could not be taken back alone."""
        return False

    def here(self) -> AbstractContextManager[None]:
        """The block in which the calls are made."""
        return contextlib.nullcontext()

    def mark(self, first: int, last: int) -> None:
        """Before a call for the records at these offsets."""

    def stands(self) -> None:
        """After one that has returned; raises where what it has changed can be kept no more."""

    def back(self, error: BaseException | None = None) -> None:
        """After one that failed, with this error, or parks."""


class Savepoint(Undo):
    """What takes back a call within a unit's transaction; it moves on, so that savepoints do not pile up.

    `tables` is where the calls of tables go. A database says how one is set, and how it is gone back to.
    """

    def __init__(self, tables: Undo) -> None:
        self._tables = tables
        self._set = False

    @property
    def changed(self) -> bool:
        return True

    def here(self) -> AbstractContextManager[None]:
        return self._tables.here()

    def mark(self, first: int, last: int) -> None:
        self._move()
        self._set = True

    def _move(self) -> None:
        """Sets the savepoint here, in place of the one before if that is `_set`."""
        raise NotImplementedError
