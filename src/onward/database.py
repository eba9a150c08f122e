"""A database beside the store, in whose transactions a stage may commit: `within=Database(url)`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from onward.settings import Secret


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
        return "the database that its settings name" if callable(self.url) else told_of(self.url)

    def __repr__(self) -> str:
        return "Database(...)"


def told_of(url: str) -> str:
    """How people are told which database a URL names: without user, password and parameters."""
    scheme, marked, rest = url.partition("://")
    if marked:
        if scheme == "sqlite":
            return url
        # A password with a slash or an @ that was not escaped still lies before the last @.
        address = rest.rpartition("@")[2].partition("?")[0].partition("#")[0]
        named = dict(re.findall(r"[?&](host|port|dbname)=([^&]*)", rest))
        host, _, name = address.partition("/")
        host = host or named.get("host", "") + (f":{named['port']}" if "port" in named else "")
        return f"{scheme}://{host}/{name or named.get('dbname', '')}"
    try:
        parts = shlex.split(re.sub(r"\s*=\s*", "=", url))
    except ValueError:
        parts = []
    named = {part.partition("=")[0]: part.partition("=")[2] for part in parts if "=" in part}
    if not named:
        return f"{url.partition(':')[0][:20]}:..." if ":" in url else "..."
    port = f":{named['port']}" if "port" in named else ""
    return f"postgresql://{named.get('host', '')}{port}/{named.get('dbname', '')}"
