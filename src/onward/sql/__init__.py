"""SQL statements, one per file, the same names for every dialect."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path


class Statements:
    """The statements of a dialect as attributes named after their files; each is read when it is first needed."""

    def __init__(self, dialect: str) -> None:
        self._folder = Path(__file__).parent / dialect

    @cached_property
    def migrations(self) -> list[str]:
        """What makes the schema, step by step."""
        return [file.read_text() for file in sorted((self._folder / "migrations").glob("*.sql"))]

    def __getattr__(self, name: str) -> str:
        try:
            text = (self._folder / f"{name}.sql").read_text().strip()
        except FileNotFoundError:
            raise AttributeError(f"no statement {name}.sql") from None
        setattr(self, name, text)
        return text
