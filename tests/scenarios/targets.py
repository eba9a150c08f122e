"""Databases for stages to commit within, as scenarios need them: with a table that keeps the order of its rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

import psycopg

from scenarios import ground


class Place(Protocol):
    """A database that is not there yet."""

    url: str
    effects: str
    """Makes the table `effect`, whose `at` grows, unless it is there."""

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """What it gives, asked from outside."""

    def save(self) -> None:
        """Keeps a copy."""

    def bring_back(self) -> None:
        """Puts the copy in its place; where none was kept, an empty database."""


class SQLitePlace:
    effects = "CREATE TABLE IF NOT EXISTS effect (at INTEGER PRIMARY KEY, n INTEGER, key TEXT)"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "target.db"
        self.url = f"sqlite:///{self.path}"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return ground.sql(self.path, statement)

    def save(self) -> None:
        shutil.copy(self.path, self.path.with_name("old-target.db"))

    def bring_back(self) -> None:
        restore(self.path)


class PostgresPlace:
    effects = "CREATE TABLE IF NOT EXISTS effect (at bigserial PRIMARY KEY, n integer, key text)"

    def __init__(self, url: str) -> None:
        self.url = url
        self._server, _, self._name = url.rpartition("/")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def save(self) -> None:
        self._admin(f'CREATE DATABASE "{self._name}_old" TEMPLATE "{self._name}"')

    def bring_back(self) -> None:
        self._admin(f'DROP DATABASE "{self._name}" WITH (FORCE)')
        found = self._admin(f"SELECT 1 FROM pg_database WHERE datname = '{self._name}_old'")
        self._admin(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._name + "_old" if found else "template0"}"')

    def remove(self) -> None:
        self._admin(f'DROP DATABASE IF EXISTS "{self._name}_old"')

    def _admin(self, statement: str) -> list[tuple[Any, ...]]:
        return PostgresPlace(f"{self._server}/postgres").sql(statement)


def restore(path: Path) -> None:
    """Puts back the copy of a SQLite file that lies beside it as `old-...`; without one, removes the file."""
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    if (kept := path.with_name(f"old-{path.name}")).exists():
        shutil.copy(kept, path)
