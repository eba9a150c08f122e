"""Events as log lines."""

from __future__ import annotations

import dataclasses
import json
import logging
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from onward import Secret, events
from onward.observers.logging import LoggingObserver, write_lines

FAILED = events.Failed(
    "shop.bill", "shop.orders:0:7", "c2", 2, "dead", "ValueError: no hunter2", ValueError("no hunter2")
)


@pytest.fixture(autouse=True)
def _secret() -> None:
    Secret("hunter2")


@pytest.fixture
def written() -> Iterator[list[str]]:
    lines: list[str] = []
    root, level = logging.getLogger(), logging.getLogger().level
    before = list(root.handlers)
    yield lines
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("onward").setLevel(logging.NOTSET)


def test_json_lines(written: list[str]) -> None:
    write_lines(written.append, "info", human=False)
    LoggingObserver()(FAILED)
    LoggingObserver()(events.Committed("shop.bill", 0, 9, 1, 0, 1))
    logging.getLogger("onward.shop").warning("odd hunter2")
    [died, odd] = [json.loads(line) for line in written]
    assert died["level"] == "error" and died["event"] == "Failed" and died["app"] == "shop"
    assert (died["stage"], died["position"], died["attempt"], died["key"]) == ("shop.bill", "shop.orders:0:7", 2, "c2")
    assert "hunter2" not in str(written) and died["error"] == "ValueError: no ***"
    assert odd["app"] == "shop" and odd["message"] == "odd ***"


def test_text_lines(written: list[str]) -> None:
    write_lines(written.append, "debug", human=True)
    LoggingObserver()(FAILED)
    LoggingObserver()(events.Committed("shop.bill", 0, 9, 1, 0, 1))
    assert written[0][9:] == "ERROR   shop.bill shop.orders:0:7: attempt 2, now dead: ValueError: no ***"
    assert written[1][9:] == "DEBUG   shop.bill: partition 0 up to 9: 1 done, 0 parked, 1 emitted"


@pytest.mark.parametrize(
    ("reason", "choices", "told"),
    [
        ("too dear", (), "waits for a person: too dear; `onward parked retry` approves it"),
        ("", (), "waits for a person; `onward parked retry` approves it"),
        ("", ("accept", "reject"), "waits for a decision, accept or reject; `onward review decide` makes it"),
    ],
)
def test_why_a_record_waits(written: list[str], reason: str, choices: tuple[str, ...], told: str) -> None:
    write_lines(written.append, "info", human=False)
    LoggingObserver()(events.Waiting("shop.bill", "shop.orders:0:7", "c2", reason, choices))
    assert json.loads(written[0])["message"] == told


def test_a_process_that_ended(written: list[str]) -> None:
    write_lines(written.append, "info", human=False)
    LoggingObserver()(events.ProcessEnded(1, 137, 2.0))
    LoggingObserver()(events.ProcessEnded(1, 137, None))
    again, others = [json.loads(line) for line in written]
    assert again["message"] == "process 1 ended with 137; started again in 2 s" and again["event"] == "ProcessEnded"
    assert others["message"] == "process 1 ended with 137; the others do its work" and others["code"] == 137


def made(class_: type[events.Event], error: Exception) -> events.Event:
    """One of them, with something in each field."""
    some: dict[object, Any] = {str: "a.s", int: 1, float: 1.0, bool: True, BaseException: error}
    some[tuple[str, ...]] = ("a", "b")
    hints = typing.get_type_hints(class_)
    return class_(**{field.name: some.get(hints[field.name]) for field in dataclasses.fields(class_)})  # type: ignore[arg-type]


def test_a_record_that_asked_to_come_again_is_no_warning(written: list[str]) -> None:
    write_lines(written.append, "info", human=True)
    LoggingObserver()(events.Failed("shop.bill", "shop.orders:0:7", "c2", 0, "retrying", "", None))
    assert written == []
    LoggingObserver()(events.Failed("shop.bill", "shop.orders:0:7", "c2", 1, "retrying", "away", ValueError("away")))
    assert "attempt 1, now retrying" in written[0]


def test_every_event_has_a_sentence(written: list[str]) -> None:
    write_lines(written.append, "debug", human=False)
    error = ValueError("x")
    # A dataclass with slots is a class of its own beside the one that was written.
    all_of_them = {getattr(events, class_.__name__) for class_ in events.Event.__subclasses__()}
    said = [made(class_, error) for class_ in all_of_them]
    for event in said:
        LoggingObserver()(event)
    assert len(written) == len(said)
    assert not any(type(event).__name__ + "(" in line for event, line in zip(said, written, strict=True))
