"""A database beside the store, in whose transactions a stage may commit: `within=Database(url)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onward.settings import Secret
from onward.url import named


class Database:
    """Names a database to commit within by its `url`, or by a function of the app's settings that gives one, as text or
    `Secret`.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user@host/name`, or libpq's `host=... dbname=...`.
    The handler gets the open transaction as `tx` (an `apsw.Connection`, a `psycopg.Connection`); it must not begin,
    commit or roll back. The effect is exactly once: the stage's cursor lives in the same database and moves in the same
    transaction.
    """

    def __init__(self, url: str | Callable[[Any], str | Secret]) -> None:
        self.url = url

    def resolve(self, settings: Any) -> str:
        """For Onward itself: the URL."""
        found = self.url(settings) if callable(self.url) else self.url
        return found.reveal() if isinstance(found, Secret) else found

    @property
    def told(self) -> str:
        """For Onward itself: how people are told which database it is; without user and password."""
        return "the database that its settings name" if callable(self.url) else named(self.url)

    def __repr__(self) -> str:
        return "Database(...)"
