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
