"""Objects in a bucket, or files in a folder: listed in order, told apart, read in pieces.

    files = open_objects("s3://lake/data?endpoint=https://s3.example.org")
    for found in files.list("dbo/orders/"):
        for piece in files.read(found.key, files.identity(found)): ...

A folder needs no extra; buckets need `onward[objects]`. Nothing is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from onward.errors import MissingExtra, ObjectGone, Refused, Unavailable
from onward.settings import Secret

__all__ = ["open_objects", "Objects", "Object", "ObjectGone"]  # noqa: RUF022

PIECE = 1 << 17
"""Bytes that are given at once."""

RANGE = 1 << 22
"""Bytes of an object that are asked for at once."""

_PATIENCE = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
"""Retries of one request; longer outages are for whoever asks."""


class Object(Struct, frozen=True):
    """What a listing says. `key` is below the root, with slashes; `modified` UTC; `mark` differs where the
    content may (the ETag of an object, the time of a file in nanoseconds).
    """

    key: str
    size: int
    modified: datetime
    mark: str


class Objects(Protocol):
    """The port: what can be asked of a root. `where` names it, without secrets. Thread-safe.

    A bucket that is away or refuses to answer raises Unavailable, a folder the errors of the operating system.
    """

    where: str

    def list(self, prefix: str = "", after: str = "") -> Iterator[Object]:
        """The objects whose keys begin with `prefix` and come after `after`, by the bytes of their keys.

        Pages are asked for as they are used. A prefix ends where a folder does (`dbo/orders/`).
        """
        ...

    def names(self, folder: str = "") -> list[str]:
        """What lies directly in a folder (`dbo/`, or the root); names of folders end in a slash."""
        ...

    def identity(self, found: Object) -> str:
        """Names the content: the ETag of an object, the SHA-256 of a file, which is read for it.

        Raises:
            ObjectGone: it is not there any more.
        """
        ...

    def read(self, key: str, identity: str) -> Iterator[bytes]:
        """The bytes, in pieces, of the content of that identity.

        Raises (while iterating):
            ObjectGone: it is gone, or has other content: a bucket refuses at once, a folder at the end.
        """
        ...


def open_objects(url: str) -> Objects:
    """Opens a folder (a plain path or `file://`) or a bucket (`s3://BUCKET/PREFIX`, `gs://`, `az://`).

    After `?`: `endpoint`, `region`, `key` and `secret` of an S3 store of any make; without a key the default
    chain of credentials is used. Nothing is asked of the outside before it is used.

    Raises:
        MissingExtra: a bucket, and `onward[objects]` is not installed.
        Refused: the URL is of no kind that there is.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return Folder(Path(url))
    parts = urlsplit(url)
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise Refused(f"file://{parts.netloc}...: three slashes and a full path, as in file:///srv/data")
        return Folder(Path(unquote(parts.path)))
    if scheme not in ("s3", "gs", "az"):
        raise Refused(f"{scheme}:// is no place of objects; write a folder, file://, s3://, gs:// or az://")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {"endpoint", "region", "key", "secret"}):
        raise Refused(f"{scheme}://{parts.netloc}: no option {', '.join(unknown)}; endpoint, region, key, secret")
    return Bucket(scheme, parts.netloc, unquote(parts.path).strip("/"), **options)


class Folder:
    """Files below a folder, which need not be there yet. Links to folders inside it are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.where = str(root)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Object]:
        for key in sorted(self._below(self._root / prefix, prefix), key=os.fsencode):
            if os.fsencode(key) > os.fsencode(after):
                try:
                    state = (self._root / key).stat()
                except FileNotFoundError:
                    continue
                seconds, rest = divmod(state.st_mtime_ns, 10**9)
                modified = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
                yield Object(key, state.st_size, modified, str(state.st_mtime_ns))

    def names(self, folder: str = "") -> list[str]:
        try:
            with os.scandir(self._root / folder) as entries:
                return sorted(entry.name + "/" * entry.is_dir() for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def identity(self, found: Object) -> str:
        digest = hashlib.sha256()
        for piece in self._pieces(found.key):
            digest.update(piece)
        return digest.hexdigest()

    def read(self, key: str, identity: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in self._pieces(key):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != identity:
            raise ObjectGone(key)

    def doctor(self) -> str:
        """Whether it is there, in a line."""
        return f"{self.where} is there" if self._root.is_dir() else f"{self.where} is not there yet"

    def _pieces(self, key: str) -> Iterator[bytes]:
        try:
            with (self._root / key).open("rb") as stream:
                while piece := stream.read(PIECE):
                    yield piece
        except FileNotFoundError:
            raise ObjectGone(key) from None

    def _below(self, folder: Path, prefix: str) -> Iterator[str]:
        for place, _, files in os.walk(folder):
            inner = Path(place).relative_to(folder).as_posix()
            inside = prefix if inner == "." else f"{prefix}{inner}/"
            yield from (inside + name for name in files)


class Bucket:
    """Objects of one bucket below a prefix. `endpoint` is the URL of a store that is not its scheme's own."""

    def __init__(
        self, scheme: str, bucket: str, prefix: str = "", *, endpoint: str = "", region: str = "", key: str = "",
        secret: str | Secret = "",
    ) -> None:  # fmt: skip
        try:
            import obstore
            import obstore.exceptions
            import obstore.store
        except ImportError:
            raise MissingExtra("objects", f"reading {scheme}://{bucket}") from None
        self._obstore, self._errors = obstore, obstore.exceptions
        self.where = f"{scheme}://{bucket}" + (f"/{prefix}" if prefix else "")
        given = {"endpoint": endpoint, "region": region or ("us-east-1" if endpoint else ""), "access_key_id": key}
        given["secret_access_key"] = secret.reveal() if isinstance(secret, Secret) else Secret(secret).reveal()
        options = {name: value for name, value in given.items() if value}
        if scheme != "s3" and options:
            raise Refused(f"{self.where}: {', '.join(options)} is for s3:// only; others take the environment's")
        local = {"allow_http": True} if endpoint.startswith("http://") else None
        more = {"config": options} if options else {}
        self._store = obstore.store.from_url(self.where, client_options=local, retry_config=_PATIENCE, **more)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Object]:
        with self._away():
            for page in self._obstore.list(self._store, prefix or None, offset=after or None, chunk_size=1_000):
                for meta in page:
                    yield Object(meta["path"], meta["size"], meta["last_modified"].astimezone(UTC), _mark(meta))

    def names(self, folder: str = "") -> list[str]:
        with self._away():
            found = self._obstore.list_with_delimiter(self._store, folder or None)
        folders = [f"{path.rstrip('/').rpartition('/')[2]}/" for path in found["common_prefixes"]]
        return sorted([*folders, *(meta["path"].rpartition("/")[2] for meta in found["objects"])])

    def identity(self, found: Object) -> str:
        return found.mark

    def read(self, key: str, identity: str) -> Iterator[bytes]:
        """By ranges: who takes long over what it reads holds no connection open, and a broken one costs one range."""
        with self._away(key):
            meta = self._obstore.head(self._store, key)
            if _mark(meta) != identity:
                raise ObjectGone(key)
            match = {"if_match": meta["e_tag"]} if meta["e_tag"] else {}
            for start in range(0, meta["size"], RANGE):
                options = {**match, "range": (start, min(start + RANGE, meta["size"]))}
                content = memoryview(self._obstore.get(self._store, key, options=options).bytes())
                for place in range(0, len(content), PIECE):
                    yield bytes(content[place : place + PIECE])

    def doctor(self) -> str:
        """Whether it is there and lets us read, in a line.

        Raises:
            Unavailable: it does not.
        """
        next(self.list(), None)
        return f"{self.where} can be read"

    @contextlib.contextmanager
    def _away(self, key: str = "") -> Iterator[None]:
        """The client's errors as ours, in one line."""
        try:
            yield
        except (self._errors.NotFoundError, self._errors.PreconditionError, FileNotFoundError) as error:
            if key:
                raise ObjectGone(key) from None
            raise Unavailable(f"{self.where}: {_first_line(error)}") from None
        except self._errors.BaseError as error:
            raise Unavailable(f"{self.where}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _mark(meta: Any) -> str:
    return meta["e_tag"] or f"{meta['last_modified'].isoformat()}/{meta['size']}"
