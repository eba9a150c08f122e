"""How Onward opens PostgreSQL databases, always through psycopg 3."""

from onward.errors import MissingExtra

try:
    import psycopg as _  # noqa: F401
except ImportError as error:
    raise MissingExtra("postgres", "a database on PostgreSQL") from error
