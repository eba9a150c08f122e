"""Events as log lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

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


def test_every_event_has_a_sentence(written: list[str]) -> None:
    write_lines(written.append, "debug", human=False)
    error = ValueError("x")
    said = [
        events.WorkerStarted("w", "s"),
        events.WorkerStopped("w"),
        events.LeaseTaken("a.s", 0, 1),
        events.LeaseGone("a.s", 0),
        events.Tripped("a.s", "away", 1.0),
        events.Recovered("a.s"),
        events.Stuck("a.s", 0),
        events.Full("a.s", 0, 10, "k"),
        events.Progressed("a.s", "a.t:0:0", None, 1, 2),
        events.SourceRan("a.s", 3, 0.1),
        events.SourceFailed("a.s", error, 1.0),
        events.StoreAbsent("away", 1.0),
        events.Withheld("a.s", "a.t:0:0", None, 1, "x"),
        events.Trouble("a.s", "mend it"),
        FAILED,
        events.Committed("a.s", 0, 1, 1, 0, 0),
        events.Swept(1, 2, 0.1),
        events.SourceElsewhere("a.s", "w"),
        events.SavedFailed("a.s", error),
    ]
    assert {type(event).__name__ for event in said} == {class_.__name__ for class_ in events.Event.__subclasses__()}
    for event in said:
        LoggingObserver()(event)
    assert len(written) == len(said)
    assert not any(type(event).__name__ + "(" in line for event, line in zip(said, written, strict=True))
