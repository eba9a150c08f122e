"""The databases of `within=` do what such a database must do."""

from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from onward.conformance.target import TargetSuite
from onward.target import Target
from onward.targets.postgres import PostgresTarget
from onward.targets.sqlite import SQLiteTarget


class TestSQLite(TargetSuite):
    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "target.db"

    def open(self) -> Target:
        return self.another()

    def another(self) -> Target:
        return SQLiteTarget(f"sqlite:///{self.path}")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = apsw.Connection(str(self.path))
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


class TestPostgres(TargetSuite):
    @pytest.fixture(autouse=True)
    def _url(self, postgres: str) -> None:
        self.url = postgres

    def open(self) -> Target:
        return self.another()

    def another(self) -> Target:
        return PostgresTarget(self.url)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement).fetchall()
