"""NATS with JetStream: messages that a stream has said it keeps.

    @app.resource
    async def nats(settings: Settings) -> AsyncIterator[JetStream]:
        async with open_nats(settings.nats) as opened:
            yield opened

    @app.stage(issued)
    async def tell(issue: Record[Issue], nats: JetStream) -> None:
        await nats.publish("shop.issued", json.encode(issue.value), id=issue.id)

It is for `async def`, and needs `onward[nats]`.

Delivery: at least once. A message that comes twice with one id within the stream's duplicate window is kept once, so a
repeat after a crash does not show. Messages whose calls follow one another are kept in that order.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from onward.errors import MessageRefused, MissingExtra, Refused, Unavailable
from onward.settings import MASK, Secret, masked
from onward.units import duration

__all__ = ["open_nats", "JetStream", "Ack", "Stream", "NatsURL"]  # noqa: RUF022

TIMEOUT = 5.0
"""Seconds for a connection to stand, and for a message to be acknowledged."""

ID = "Nats-Msg-Id"
"""The header by which a stream tells repeats."""

_NAME_TAKEN, _SUBJECT_TAKEN = 10058, 10065
_BESIDE = re.compile(r",\s*(?=\w+://)")


class NatsURL(Secret):
    """A type for settings: `nats://host:4222`, with `user:password@` or `token@` before the host, or `tls://`, which
    insists on TLS with a certificate that this machine trusts; several servers of one cluster with commas between.
    Password and token are masked, and may be percent-encoded. It may be empty.

    Raises:
        ValueError: it is none of these. The text is not shown.
    """

    def __init__(self, text: str) -> None:
        self.servers = [_Server(part) for part in _BESIDE.split(text.strip())] if text.strip() else []
        super().__init__(text.strip())

    def secrets(self) -> Sequence[str]:
        return [form for server in self.servers for secret in server.secrets for form in _forms(secret)]

    def __str__(self) -> str:
        return ",".join(str(server) for server in self.servers)


class Stream(Struct, frozen=True):
    """A stream to be made where none takes a message: it keeps what comes to `subjects` in files.

    What is there is never changed. Within `duplicates`, a duration, messages of one id are kept once; `keep` is how
    long they are kept, for ever unless said.
    """

    name: str
    subjects: Sequence[str]
    duplicates: str | timedelta = "2m"
    keep: str | timedelta | None = None


class Ack(Struct, frozen=True):
    """A message is kept: in which stream, and as which number of it. `repeated`: it was there before, by its id."""

    stream: str
    sequence: int
    repeated: bool


def open_nats(url: str | NatsURL, *, stream: Stream | None = None, timeout: float = TIMEOUT) -> JetStream:
    """A connection to NATS, to be closed, as by `async with`. Nothing is asked of the outside before it is used.

    Args:
        stream: is made where no stream takes a message. Without it that is an error, which says so.
        timeout: seconds, for a connection to stand and for each answer.

    Raises:
        MissingExtra: `onward[nats]` is not installed.
        Refused: the URL is of no kind that there is.
    """
    if not isinstance(url, NatsURL):
        try:
            url = NatsURL(url)
        except ValueError as error:
            raise Refused(f"the URL of NATS: {error}") from None
    if not url:
        raise Refused("the URL of NATS is empty; write nats://host:4222")
    return JetStream(url, stream, timeout)


class JetStream:
    """Given by `open_nats`: publishes, on one event loop; many calls may be under way at once. `where` names the
    servers, without secrets.

    It connects at the first call, and anew at the first one after the connection is gone: it neither waits for a
    server that is away nor keeps messages for it, so that nothing is sent that nobody waits for any more.
    """

    def __init__(self, url: NatsURL, stream: Stream | None, timeout: float) -> None:
        try:
            import nats.aio.client
            import nats.errors
            import nats.js
            import nats.js.api
            import nats.js.errors
        except ImportError:
            raise MissingExtra("nats", "publishing to NATS") from None
        self._nats = nats
        self._servers, self._stream, self._timeout = list(url.servers), stream, timeout
        self.where = str(url)
        self._turn = asyncio.Lock()
        self._client: Any = None
        self._trouble = ""

    async def publish(self, subject: str, body: bytes, *, id: str, headers: Mapping[str, str] | None = None) -> Ack:
        """One message; returns when a stream keeps it.

        Args:
            id: by which a stream tells repeats, as `Record.id`. It stands in the header `Nats-Msg-Id`.

        Raises:
            Unavailable: it is not known to be kept: the server is away, refuses the user or does not answer in time, or
                no stream takes the subject. It may be sent again.
            MessageRefused: this message is not taken, and would not be if sent again: it is too large, say.
        """
        said = {**(headers or {}), ID: id}
        try:
            return await self._publish(subject, body, said)
        except self._nats.js.errors.NoStreamResponseError:
            await self._make_stream(subject)
        try:
            return await self._publish(subject, body, said)
        except self._nats.js.errors.NoStreamResponseError:
            raise Unavailable(f"{self.where}: the stream that takes {subject} does not answer yet") from None

    async def doctor(self) -> str:
        """Whether it is there and lets us in, in a line; nothing is published.

        Raises:
            Unavailable: it is not, or has no JetStream.
        """
        client = await self._connected()
        try:
            await self._ask_for_jetstream(client)
        except Unavailable:
            if "permissions violation" not in self._trouble.lower():
                raise
            return f"{self.where} answers; whether it has JetStream this user may not ask"
        return f"{self.where} answers, with JetStream"

    async def close(self) -> None:
        """Ends the connection. Calling it again does nothing; a later `publish` opens another."""
        client, self._client = self._client, None
        if client is not None:
            await self._end(client)

    async def __aenter__(self) -> JetStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _publish(self, subject: str, body: bytes, headers: Mapping[str, str]) -> Ack:
        errors, js = self._nats.errors, self._nats.js
        client = await self._connected()
        try:
            found = await client.jetstream(timeout=self._timeout).publish(subject, body, headers=dict(headers))
        except js.errors.NoStreamResponseError:
            raise
        except js.errors.APIError as error:
            what = f"{self.where}: the stream that takes {subject} says: {error.description or error}"
            if (error.code or 500) >= 500:
                raise Unavailable(what) from None
            raise MessageRefused(what) from None
        except (errors.MaxPayloadError, errors.BadSubjectError, errors.BadHeaderError) as error:
            raise MessageRefused(f"{self.where}, subject {subject!r}: {error}") from None
        except (ValueError, TypeError, KeyError):
            raise Unavailable(
                f"{self.where}: somebody who is no stream answers what comes to {subject}; stop who subscribes"
                " to it and replies, or publish to another subject"
            ) from None
        except (errors.Error, OSError, TimeoutError) as error:
            # What became of it is not known, and neither whether this connection is of any use.
            await self._drop(client)
            raise Unavailable(f"{self.where}: {self._told(error, subject)}") from None
        return Ack(found.stream, found.seq, bool(found.duplicate))

    async def _make_stream(self, subject: str) -> None:
        errors, wanted = self._nats.errors, self._stream
        client = await self._connected()
        js = client.jetstream(timeout=self._timeout)
        await self._ask_for_jetstream(client)
        if wanted is None:
            raise Unavailable(
                f"{self.where}: no stream takes {subject}, so nobody would keep the message; make one, as by"
                f" `nats stream add NAME --subjects '{subject}'`"
            )
        keep = duration(wanted.keep) if wanted.keep is not None else None
        window = duration(wanted.duplicates)
        config = self._nats.js.api.StreamConfig(
            name=wanted.name,
            subjects=list(wanted.subjects),
            storage=self._nats.js.api.StorageType.FILE,
            max_age=keep,
            duplicate_window=min(window, keep) if keep else window,
        )
        try:
            await js.add_stream(config)
        except self._nats.js.errors.APIError as error:
            what = f"stream {wanted.name} cannot be made: {error.description}"
            if error.err_code == _NAME_TAKEN:
                what = f"stream {wanted.name} is there and does not take it; add its subject"
            if error.err_code == _SUBJECT_TAKEN:
                what = "another stream takes some of the subjects, or does not answer yet"
            raise Unavailable(f"{self.where}: no stream takes {subject}, and {what}") from None
        except (errors.Error, OSError, TimeoutError) as error:
            await self._drop(client)
            raise Unavailable(f"{self.where}: {self._told(error, subject)}") from None

    async def _ask_for_jetstream(self, client: Any) -> None:
        errors = self._nats.errors
        try:
            await client.jetstream(timeout=self._timeout).account_info()
        except self._nats.js.errors.Error:
            raise Unavailable(
                f"{self.where} has no JetStream, which keeps messages; start it as `nats-server -js`"
            ) from None
        except (errors.Error, OSError, TimeoutError) as error:
            await self._drop(client)
            raise Unavailable(f"{self.where}: {self._told(error)}") from None

    async def _connected(self) -> Any:
        async with self._turn:
            if self._client is not None and self._client.is_connected:
                return self._client
            await self.close()
            told = []
            for server in list(self._servers):
                try:
                    self._client = await self._open(server)
                    return self._client
                except (self._nats.errors.Error, OSError, TimeoutError) as error:
                    told.append(f"{server}: {self._told(error)}")
                    self._servers.append(self._servers.pop(0))
            raise Unavailable("; ".join(told))

    async def _open(self, server: _Server) -> Any:
        self._trouble = ""
        client = self._nats.aio.client.Client()
        options = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0}

        def secure(said: str = "") -> str:
            # The client goes on in the clear where a server offers nothing else.
            if server.tls and not client._server_info.get("tls_required"):
                raise self._nats.errors.Error("nats: it offers no TLS, which tls:// asks for; nothing was said to it")
            return said

        login = {name: partial(secure, said) for name, said in server.login.items()}
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect(
                    server.address,
                    error_cb=self._note,
                    connect_timeout=self._timeout,
                    name="onward",
                    **login,
                    **options,
                )
                secure()
        except BaseException:
            await self._end(client)
            raise
        return client

    async def _note(self, error: Exception) -> None:
        """What the client says beside its calls, as why a message was not answered."""
        self._trouble = str(error)

    def _told(self, error: BaseException, subject: str = "") -> str:
        """In one line. A time-out says little; what was heard last says why."""
        said = str(error).removeprefix("nats: ") or type(error).__name__
        if isinstance(error, TimeoutError):
            said = f"no answer within {self._timeout:g} s" + (f" to what was sent to {subject}" if subject else "")
        if isinstance(error, self._nats.errors.NoServersError):
            said = "cannot be reached"
        trouble = self._trouble.removeprefix("nats: ")
        said += f" ({trouble})" if trouble and trouble != said else ""
        return masked(said)

    async def _drop(self, client: Any) -> None:
        if self._client is client:
            self._client = None
        await self._end(client)

    async def _end(self, client: Any) -> None:
        with contextlib.suppress(self._nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(1.0):  # closing flushes, which a peer that is gone never lets end
                await client.close()


class _Server:
    """One server of a URL; as text it is without its secrets."""

    def __init__(self, text: str) -> None:
        try:
            parts = urlsplit(text)
            port = parts.port or 4222
            wrong = parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path not in ("", "/")
        except ValueError:
            wrong = True  # it would quote what it takes for the port, which may be a password
        if wrong or parts.query or parts.fragment or parts.hostname is None:
            raise ValueError("it is no address of NATS; write nats://user:password@host:4222") from None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.tls = parts.scheme == "tls"
        self.address = f"{parts.scheme}://{host}:{port}"
        user, password = parts.username, parts.password
        self.secrets = [unquote(secret) for secret in ([user] if password is None else [password]) if secret]
        self.login: dict[str, str] = {}
        shown = ""
        if user is not None and password is not None:
            self.login, shown = {"user": unquote(user), "password": unquote(password)}, f"{user}:{MASK}@"
        elif user:
            self.login, shown = {"token": unquote(user)}, f"{MASK}@"
        self._shown = self.address.replace("://", f"://{shown}", 1)

    def __str__(self) -> str:
        return self._shown


def _forms(secret: str) -> list[str]:
    return list(dict.fromkeys([secret, quote(secret, safe="")]))
