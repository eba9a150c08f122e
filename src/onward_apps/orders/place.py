"""Where files come from and where they go, as texts that may hold secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import apsw

from onward import OnwardError, Secret
from onward.connect.objects import Objects, open_objects
from onward.settings import MASK, masked

if TYPE_CHECKING:
    import psycopg

_KEYS = ("bucket_endpoint", "bucket_id", "bucket_key", "bucket_name", "bucket_path")
_LIBPQ = ("postgresql://", "postgres://")
_SECRETS = ("password", "sslpassword")
_TARGETS = "write sqlite:///FILE, or user=... password=... host=... dbname=... for PostgreSQL"
_WAIT_MS = 10_000


class Source(Secret):
    """A folder, a URL as `open_objects` takes it, or
    `bucket_endpoint=... bucket_id=... bucket_key=... bucket_name=... bucket_path=...` (an S3 store of any make;
    id and key empty: the default chain of credentials).

    Raises:
        ValueError: it is none of these. The text is not shown.
    """

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError("it is empty; name a folder, a URL, or a bucket by " + " ".join(f"{k}=..." for k in _KEYS))
        self.url = _url_of_pairs(text) if text.lstrip().startswith("bucket_") else text.strip()
        super().__init__(text)

    def secrets(self) -> Sequence[str]:
        return _secrets_of(self.url)

    def __str__(self) -> str:
        return _without_secrets(self.url)

    def open(self) -> Objects:
        return open_objects(self.url)


class Target(Secret):
    """The database for state and logs: `sqlite:///FILE`, or PostgreSQL by anything that libpq takes, which gets it
    unchanged: `user=... password=... host=... dbname=...` or `postgresql://...`.

    Raises:
        ValueError: it is none of these. The text is not shown.
    """

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError(f"it is empty; {_TARGETS}")
        self._said: dict[str, str] = {}
        if text.startswith(_LIBPQ) or "=" in text.partition("://")[0]:
            self._said = _conninfo(text)
        elif not text.startswith("sqlite:///") or len(text) == len("sqlite:///"):
            raise ValueError(f"it is no database; {_TARGETS}")
        super().__init__(text)

    def secrets(self) -> Sequence[str]:
        secret = [self._said[key] for key in _SECRETS if self._said.get(key)]
        escaped = [text.replace("\\", "\\\\").replace("'", "\\'") for text in secret]
        return [
            *_secrets_of("" if self._said else self.reveal()),
            *secret,
            *escaped,
            *(quote(s, safe="") for s in secret),
        ]

    @property
    def kind(self) -> str:
        return "postgres" if self._said else "sqlite"

    def version(self) -> str:
        """What is there, for people: `SQLite 3.51.0`, or server, user and address.

        Raises:
            OnwardError: it cannot be reached.
        """
        if not self._said:
            return f"SQLite {apsw.sqlite_lib_version()}"
        with closing(self.connect()) as connection:
            info = connection.info
            server = info.parameter_status("server_version")
            return f"PostgreSQL {server}, {info.user}@{info.hostaddr or info.host}:{info.port}"

    def __str__(self) -> str:
        if not self._said:
            return self.reveal()
        return " ".join(f"{key}={MASK if key in _SECRETS else value}" for key, value in self._said.items())

    @contextmanager
    def rolled_back(self) -> Iterator[Any]:
        """An open transaction that leaves nothing; a SQLite file that is not there is not made.

        Raises:
            OnwardError: there is no such database, or it cannot be reached.
        """
        if not self._said:
            yield from _sqlite_rolled_back(Path(self.reveal().removeprefix("sqlite:///")))
            return
        with closing(self.connect()) as connection, connection.transaction(force_rollback=True):
            yield connection

    def connect(self) -> psycopg.Connection[Any]:
        """A session of its own, each statement a transaction.

        Raises:
            OnwardError: it cannot be reached.
        """
        import psycopg

        try:
            return psycopg.connect(self.reveal(), autocommit=True)
        except psycopg.OperationalError as error:
            raise OnwardError(f"the target {self} cannot be reached: {masked(str(error)).strip()}") from None


def _conninfo(text: str) -> dict[str, str]:
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ModuleNotFoundError:
        raise ValueError("it names a PostgreSQL database, which needs: pip install 'onward[postgres]'") from None
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items()}
    except ProgrammingError:
        raise ValueError(f"libpq cannot read it; {_TARGETS}") from None


def _sqlite_rolled_back(path: Path) -> Iterator[apsw.Connection]:
    if path.exists():
        tx = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        tx.set_busy_timeout(_WAIT_MS)
    else:
        tx = apsw.Connection("")
    try:
        tx.execute("BEGIN")
        yield tx
    finally:
        if tx.in_transaction:
            tx.execute("ROLLBACK")
        tx.close()


def _url_of_pairs(text: str) -> str:
    pairs = dict(word.partition("=")[::2] for word in text.split())
    if missing := [key for key in _KEYS if key not in pairs]:
        raise ValueError(f"it says no {', '.join(missing)}; all of {', '.join(_KEYS)} are needed")
    if unknown := pairs.keys() - set(_KEYS):
        raise ValueError(f"it says {len(unknown)} thing(s) that are not {', '.join(_KEYS)}; a secret has no spaces")
    if not pairs["bucket_name"]:
        raise ValueError("bucket_name is empty")
    given = {"endpoint": "bucket_endpoint", "key": "bucket_id", "secret": "bucket_key"}
    query = urlencode({name: pairs[key] for name, key in given.items() if pairs[key]})
    path = quote(pairs["bucket_path"].strip("/"))
    return f"s3://{pairs['bucket_name']}/{path}" + (f"?{query}" if query else "")


def _secrets_of(url: str) -> list[str]:
    parts = urlsplit(url)
    secret = [value for name, value in parse_qsl(parts.query) if name == "secret"]
    return [text for text in (*secret, *(quote(s, safe="") for s in secret), parts.password or "") if text]


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    query = "&".join(
        f"{name}={'***' if name == 'secret' else value}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    place = parts.netloc
    if parts.password:
        place = place.replace(f":{parts.password}@", ":***@")
    return urlunsplit((parts.scheme, place, parts.path, query, parts.fragment)) if parts.scheme else url
