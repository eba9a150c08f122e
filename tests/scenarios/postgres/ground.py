"""The ground on PostgreSQL: a database that is emptied for each test, and what can be asked of it afterwards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from scenarios.ground import Ground


class PostgresGround(Ground):
    """A store at a URL; the folder is for what else a test needs."""

    Log: ClassVar[Any] = PostgresLog
    Books: ClassVar[Any] = PostgresBooks

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.url = url

    def sql(self, statement: str, **bound: Any) -> list[tuple[Any, ...]]:
        """Runs one statement; as the neighbours write it, or with parameters as psycopg takes them."""
        text = re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement.replace("%", "%%") if "%(" not in statement else statement)
        text = text.replace("CAST(entries AS BLOB)", "convert_to(entries, 'UTF8')")
        with psycopg.connect(self.url, options="-c search_path=onward", cursor_factory=psycopg.ClientCursor) as one:
            cursor = one.execute(text, bound)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def columns(self) -> list[tuple[str, str]]:
        return self.sql(
            """SELECT columns.table_name, columns.column_name FROM information_schema.columns
            JOIN information_schema.tables USING (table_schema, table_name)
            WHERE table_schema = 'onward' AND table_type = 'BASE TABLE'"""
        )
