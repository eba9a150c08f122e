"""Whether a process is well, over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest

from onward.errors import Refused
from onward.health import Address, Health, address, serving


def ask(at: Address, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*at, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    ("live", "ready", "codes"),
    [(True, True, (200, 200, 200)), (True, False, (200, 503, 503)), (False, False, (503, 503, 503))],
)
def test_each_path_says_its_own(live: bool, ready: bool, codes: tuple[int, int, int]) -> None:
    with serving(Address("127.0.0.1", 0), lambda: Health(live, ready, "so", {"a.b": "idle"})) as at:
        answers = [ask(at, path) for path in ("/live", "/ready", "/health?x=1")]
        assert tuple(status for status, _ in answers) == codes
        assert answers[0][1] == {"live": live, "ready": ready, "told": "so", "parts": {"a.b": "idle"}}
        assert ask(at, "/else")[0] == 404


def test_addresses() -> None:
    assert address("0.0.0.0:80") == Address("0.0.0.0", 80)
    assert address("8080") == address(":8080") == Address("127.0.0.1", 8080)
    assert address("[::1]:80") == Address("::1", 80)
    for wrong in ("", "host", "host:", "host:x", "1:70000"):
        with pytest.raises(Refused, match="is no address"):
            address(wrong)


def test_an_address_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(Refused, match="cannot be used"),
            serving(Address(*taken.getsockname()), lambda: Health(True, True, "", {})),
        ):
            pass
