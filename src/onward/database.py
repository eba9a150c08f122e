"""A database beside the store, in whose transactions a stage may commit: `within=Database(url)`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


class Database:
    """Names a database by URL, or by a function of the app's settings that gives one.

    `sqlite:///relative.db`, `sqlite:////absolute.db`. The handler gets the open transaction as `tx` (SQLite: an
    `apsw.Connection`); it must not begin or commit. The effect is exactly once: the stage's cursor lives in the
    same database and moves in the same transaction.
    """

    def __init__(self, url: str | Callable[[Any], str]) -> None:
        self.url = url

    def resolve(self, settings: Any) -> str:
        return self.url(settings) if callable(self.url) else self.url

    @property
    def told(self) -> str:
        """How people are told which database it is; without user and password."""
        if callable(self.url):
            return "the database that its settings name"
        return re.sub(r"//[^/@]*@", "//", self.url)

    def __repr__(self) -> str:
        return "Database(...)"
