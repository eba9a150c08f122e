"""URLs of databases: how they may be seen, and what of them is secret."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from onward.settings import MASK, Secret

_SECRETS = ("password", "sslpassword")


class DatabaseURL(Secret):
    """The URL of a store or database. Shown without passwords, which are masked in all that this process shows."""

    def secrets(self) -> Sequence[str]:
        try:
            parts = urlsplit(self.reveal())
            given = [parts.password, *(value for name, value in parse_qsl(parts.query) if name in _SECRETS)]
        except ValueError:
            return ()
        return [form for password in given if password for form in {password, unquote(password)}]

    def __str__(self) -> str:
        return shown(self.reveal())


def shown(url: str) -> str:
    """A URL as it may be seen: passwords are masked."""
    try:
        parts = urlsplit(url)
        host, user, password = parts.netloc.rpartition("@")[2], parts.username, parts.password
        query = [(name, MASK if name in _SECRETS else value) for name, value in parse_qsl(parts.query)]
    except ValueError:
        return f"{url.partition(':')[0]}://{MASK}"
    if parts.scheme == "sqlite":
        return url
    if "@" in parts.netloc:
        host = f"{quote(user or '', safe='')}{f':{MASK}' if password is not None else ''}@{host}"
    if "@" in parts.path + parts.query + parts.fragment or "#" in url:  # a password that is not written as it must be
        return f"{parts.scheme}://{MASK}"
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query, safe="*/:,"), ""))
