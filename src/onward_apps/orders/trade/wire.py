"""Requests to the broker and what comes of them.

What passes by itself is `Unavailable` (no connection, 5xx, bad credentials) or `Throttled` (429); an answer that nobody
expects is a `BrokerError`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from onward import Secret, Unavailable

from .errors import BrokerError, ClientMissing, Throttled
from .market import Trouble

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

TIMEOUT = 10.0
PAUSE = 3.0
"""Seconds to wait where the broker asks for it and does not say how long."""


def client() -> Any:
    """The HTTP client's module, imported when it is first needed.

    Raises:
        ClientMissing
    """
    try:
        import httpx2
    except ModuleNotFoundError:
        raise ClientMissing from None
    return httpx2


@asynccontextmanager
async def opened(key: Secret, secret: Secret) -> AsyncIterator[Wire]:
    """Connections that are kept open, for one account."""
    headers = {"APCA-API-KEY-ID": key.reveal(), "APCA-API-SECRET-KEY": secret.reveal()}
    async with client().AsyncClient(headers=headers, timeout=TIMEOUT) as connections:
        yield Wire(connections)


class Wire:
    """Safe to use from several tasks."""

    def __init__(self, connections: httpx2.AsyncClient) -> None:
        self._connections = connections

    async def get(self, url: str, type: type[T], **params: str) -> T:
        """The answer to a GET, read as this type."""
        status, content = await self.send("GET", url, params=params)
        return read(url, status, content, type)

    async def send(self, method: str, url: str, **said: Any) -> tuple[int, bytes]:
        """Status and content of any answer that is the caller's to judge."""
        try:
            answer = await self._connections.request(method, url, **said)
        except client().TransportError as error:
            raise Unavailable(f"{method} {url}: {type(error).__name__}: {error}") from error
        status = answer.status_code
        if status == 429:
            raise Throttled(_delay(answer.headers))
        if status >= 500:
            raise Unavailable(f"{method} {url}: the broker answered {status}")
        if status == 401 or (status == 403 and not trouble_of(answer.content).code):
            raise Unavailable(f"{method} {url}: {status} {answer.text[:200]}; look at API_KEY and SECRET_KEY")
        return status, answer.content


def read(url: str, status: int, content: bytes, type: type[T]) -> T:
    """The content of a good answer.

    Raises:
        BrokerError: it is not one, or has another shape.
    """
    if status != 200:
        raise BrokerError(url, status, content.decode(errors="replace"))
    try:
        return msgspec.json.decode(content, type=type)
    except msgspec.DecodeError as error:
        raise BrokerError(url, status, f"{error} in {content[:200].decode(errors='replace')}") from None


def trouble_of(content: bytes) -> Trouble:
    """The body of an error, whatever it looks like."""
    try:
        return msgspec.json.decode(content, type=Trouble)
    except msgspec.DecodeError:
        return Trouble(content.decode(errors="replace")[:300])


def _delay(headers: Any) -> float:
    """Seconds: what the answer says, by either of its ways."""
    try:
        if "retry-after" in headers:
            return max(0.1, float(headers["retry-after"]))
        return max(0.1, float(headers["x-ratelimit-reset"]) - time.time())
    except (KeyError, ValueError):
        return PAUSE
