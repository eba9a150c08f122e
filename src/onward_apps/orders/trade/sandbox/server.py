"""The stand-in as a server: the broker's paths, headers, statuses and shapes over HTTP."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .checks import Refused
from .exchange import Exchange

KEY, SECRET = "STANDIN-KEY", "stand-in-secret"

Fault = Callable[[str, str], tuple[int, dict[str, str]] | str | None]
"""Called with method and path: a status with headers to answer, "cut" (does what is asked and closes the connection
without an answer), or None."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is none of the stand-in's troubles."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class StandIn:
    """An exchange behind a port of the loopback, in a thread of its own. A context manager.

    `sent` lists the orders that came, refused ones too, as they were written; `fault` decides what goes wrong.
    """

    def __init__(self, exchange: Exchange, saved: Callable[[Exchange], None] | None = None) -> None:
        self.exchange = exchange
        self.sent: list[dict[str, Any]] = []
        self.fault: Fault | None = None
        self._saved = saved
        self._one = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="stand-in", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Status and body for one request."""
        if (headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY")) != (KEY, SECRET):
            return 401, {"code": 40110000, "message": "request is not authorized"}
        split = urlsplit(url)
        asked = {name: values[-1] for name, values in parse_qs(split.query).items()}
        with self._one:
            try:
                return self._route(method, split.path, asked, body)
            except Refused as refused:
                return refused.status, {"code": refused.code, "message": refused.message}
            finally:
                if self._saved and method != "GET":
                    self._saved(self.exchange)

    def _route(self, method: str, path: str, asked: dict[str, str], body: bytes) -> tuple[int, Any]:
        exchange = self.exchange
        match method, path.strip("/").split("/"):
            case "GET", ["v2", "account"]:
                return 200, exchange.account()
            case "GET", ["v2", "clock"]:
                return 200, exchange.clock()
            case "GET", ["v2", "positions"]:
                return 200, exchange.positions()
            case "GET", ["v2", "assets"]:
                return 200, exchange.assets(asked.get("asset_class", "us_equity"))
            case "GET", ["v2", "stocks", "quotes", "latest"] | ["v1beta3", "crypto", "us", "latest", "quotes"]:
                return 200, exchange.quotes(asked["symbols"].split(","))
            case "GET", ["v2", "stocks", "bars"] | ["v1beta3", "crypto", "us", "bars"]:
                return 200, self._bars(asked)
            case "POST", ["v2", "orders"]:
                self.sent.append(json.loads(body))
                return 200, exchange.place(self.sent[-1])
            case "GET", ["v2", "orders:by_client_order_id"]:
                return 200, exchange.by_client_order_id(asked["client_order_id"])
            case "GET", ["v2", "orders", id]:
                shown = exchange.order(id)
                if self._saved:
                    self._saved(exchange)
                return 200, shown
            case "DELETE", ["v2", "orders", id]:
                exchange.cancel(id)
                return 204, None
        return 404, {"code": 40410000, "message": f"endpoint not found: {method} {path}"}

    def _bars(self, asked: dict[str, str]) -> dict[str, Any]:
        """Two pages, so that who forgets the second is found out."""
        symbols = sorted(asked["symbols"].split(","))
        start = datetime.fromisoformat(asked["start"].replace(" ", "+"))
        first, rest = symbols[: len(symbols) // 2], symbols[len(symbols) // 2 :]
        page = rest if asked.get("page_token") or not first else first
        token = "rest" if page is first else None
        return {"bars": self.exchange.bars(page, start), "next_page_token": token}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                wrong = standin.fault(self.command, urlsplit(self.path).path) if standin.fault else None
                if isinstance(wrong, tuple):
                    self._send(wrong[0], {"message": "the stand-in was told to"}, wrong[1])
                    return
                status, answer = standin.answer(self.command, self.path, self.headers, body)
                if wrong == "cut":
                    self.close_connection = True
                    return
                self._send(status, answer, {})

            do_POST = do_DELETE = do_GET

            def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
                content = b"" if answer is None else json.dumps(answer).encode()
                with suppress(ConnectionError):
                    self.send_response(status)
                    for name, value in {**headers, "Content-Type": "application/json"}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
