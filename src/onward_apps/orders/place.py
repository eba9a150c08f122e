"""Where files come from and where they go, as texts that may hold secrets."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from onward import Secret
from onward.connect.objects import Objects, open_objects

_KEYS = ("bucket_endpoint", "bucket_id", "bucket_key", "bucket_name", "bucket_path")
_LIBPQ = ("postgresql://", "postgres://")


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
    """The database for state and logs: `sqlite:///FILE`.

    Raises:
        ValueError: it is something else. The text is not shown.
    """

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError("it is empty; write sqlite:///FILE")
        if text.startswith(_LIBPQ) or "=" in text.partition("://")[0]:
            raise ValueError("it names a PostgreSQL database, which is no target yet; write sqlite:///FILE")
        if not text.startswith("sqlite:///") or len(text) == len("sqlite:///"):
            raise ValueError("it is no database; write sqlite:///FILE")
        super().__init__(text)

    def secrets(self) -> Sequence[str]:
        return _secrets_of(self.reveal())

    def __str__(self) -> str:
        return self.reveal()


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
