"""SQL statements, one per file, the same names for every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources


class Statements:
    """The statements of a dialect as attributes named after their files."""

    def __init__(self, dialect: str) -> None:
        folder = resources.files(__package__) / dialect
        self._texts = {
            file.name.removesuffix(".sql"): file.read_text().strip()
            for file in folder.iterdir()
            if file.name.endswith(".sql")
        }
        self.migrations = [
            file.read_text()
            for file in sorted((folder / "migrations").iterdir(), key=lambda file: file.name)
            if file.name.endswith(".sql")
        ]

    @property
    def all(self) -> Mapping[str, str]:
        """All of them by name."""
        return self._texts

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"no statement {name}.sql") from None
