"""SQL statements, one per file, the same names for every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class Statements:
    """The statements of a dialect as attributes named after their files."""

    def __init__(self, dialect: str) -> None:
        folder = Path(__file__).parent / dialect
        self._texts = {file.stem: file.read_text().strip() for file in folder.glob("*.sql")}
        self.migrations = [file.read_text() for file in sorted((folder / "migrations").glob("*.sql"))]

    @property
    def all(self) -> Mapping[str, str]:
        """All of them by name."""
        return self._texts

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"no statement {name}.sql") from None
