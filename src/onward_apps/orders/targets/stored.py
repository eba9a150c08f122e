"""What the types of columns are in each database."""

from ..model import Column

_SQLITE = {"integer": "INTEGER", "boolean": "INTEGER", "float": "REAL"}
_POSTGRES = {"integer": "bigint", "boolean": "boolean", "float": "double precision", "date": "date", "json": "json"}


def in_sqlite(column: Column) -> str:
    return _SQLITE.get(column.type, "TEXT")


def in_postgres(column: Column) -> str:
    if column.type == "decimal":
        return f"numeric({column.precision},{column.scale})"
    if column.type == "timestamp":
        return "timestamp without time zone"
    return _POSTGRES.get(column.type, "text")
