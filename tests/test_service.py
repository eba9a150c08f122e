"""An app that runs itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from onward import App, Checkpoint
from onward.errors import SettingError
from onward.events import Failed
from onward.service import Service


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
