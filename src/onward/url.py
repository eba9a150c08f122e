"""URLs of databases: how they may be seen, and what of them is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

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
    return f"{parts.scheme}://{host}{parts.path}" + (f"?{urlencode(query, safe='*/:,')}" if query else "")


def named(url: str) -> str:
    """Which database a URL names, or a libpq string (`host=... dbname=...`): without user, password and options."""
    scheme, marked, rest = url.partition("://")
    if scheme == "sqlite":
        return url
    if not marked:
        given = dict(re.findall(r"\b(host|port|dbname)\s*=\s*'?([^\s']*)", url))
        return _address(given) if given else MASK
    head, _, query = rest.partition("?")
    if rest.count("@") > 1 or ("@" in rest and "@" not in head.partition("/")[0]):
        return f"{scheme}://{MASK}"  # a password that is not written as it must be
    host, _, name = head.rpartition("@")[2].partition("#")[0].partition("/")
    given = dict(re.findall(r"\b(host|port|dbname)=([^&]*)", query))
    return _address(given | {key: value for key, value in (("host", host), ("dbname", name)) if value}, scheme)


def _address(given: Mapping[str, str], scheme: str = "postgresql") -> str:
    port = f":{given['port']}" if given.get("port") else ""
    return f"{scheme}://{given.get('host', '')}{port}/{given.get('dbname', '')}"
