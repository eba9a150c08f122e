"""An app that runs itself."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from onward import App, Checkpoint
from onward.errors import SettingError
from onward.events import Failed
from onward.service import Service
from servers import free_port


class Numbers(Struct):
    bad: int = -1


def program(told: list[int]) -> App:
    app = App("count")
    app.settings(Numbers)
    numbers = app.topic("numbers", int, key=str)

    @app.source(to=numbers, every="1h")
    def poll(cursor: int | None) -> Iterator[int | Checkpoint]:
        yield cursor or 0
        yield Checkpoint((cursor or 0) + 1)

    @app.stage(numbers)
    def tell(number: int, settings: Numbers) -> None:
        if number == settings.bad:
            raise ValueError("bad")
        told.append(number)

    return app


def test_health_is_told_in_a_pass_and_between(tmp_path: Path) -> None:
    port = free_port()
    told: list[dict] = []

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            told.append(json.load(answer))

    app = App("count")
    numbers = app.topic("numbers", int, key=str)

    @app.source(to=numbers, every="1h")
    def poll(cursor: int | None) -> Iterator[int]:
        yield 1

    @app.stage(numbers)
    def tell(number: int) -> None:
        ask()

    with Service(app, store=f"sqlite:///{tmp_path}/s.db", health=f"{port}") as service:
        ask()
        service.drain()
        ask()
    assert [one["told"] for one in told] == ["before the first pass", "at work", "between two passes"]
    assert set(told[1]["parts"]) == {"count.poll", "count.tell"}
    with pytest.raises(OSError):
        ask()


def test_each_pass_calls_the_sources_once_and_delivers(tmp_path: Path) -> None:
    told: list[int] = []
    with Service(program(told), store=f"sqlite:///{tmp_path}/s.db") as service:
        assert service.drain() and service.drain() and service.pause(0.0)
        assert (told, service.failed, service.stopped) == ([0, 1], False, False)


def test_a_pass_does_not_wait_for_retries_unless_told(tmp_path: Path) -> None:
    told: list[int] = []
    seen: list[object] = []
    given = {"bad": "0"}
    with Service(program(told), given=given, store=f"sqlite:///{tmp_path}/s.db", observers=[seen.append]) as service:
        assert service.drain() and service.drain()
    assert told == [1] and not service.failed
    assert any(isinstance(event, Failed) for event in seen)


def test_settings_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="bad"):
        Service(program([]), given={"bad": "x"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_pause_at_once_and_no_pass_follows(tmp_path: Path, number: signal.Signals) -> None:
    told: list[int] = []
    before = signal.getsignal(number)
    with Service(program(told), store=f"sqlite:///{tmp_path}/s.db") as service:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        started = time.monotonic()
        assert not service.pause(60.0) and time.monotonic() - started < 30
        assert service.stopped and not service.drain() and told == []
    assert signal.getsignal(number) is before
