import logging
import re

import pytest

from onward_apps.orders.model import Delivery
from onward_apps.orders.report import after_commit, formatter, lasted


def test_a_line_looks_as_it_always_did():
    record = logging.LogRecord("x", logging.INFO, "/a/loader.py", 81, "Delivery %d: %s", (7, "persisted {}."), None)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO \[loader\.py:81\]: Delivery 7: persisted \{\}\.",
        formatter().format(record),
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.046061, "0:00:00.046061"), (85.0, "0:01:25.000000")])
def test_durations_always_have_microseconds(seconds, text):
    assert lasted(seconds) == text


@pytest.mark.parametrize("target", ["sqlite", "postgres"])
def test_what_is_said_after_the_commit(target):
    counts = {"item": {"CREATE": 2, "AMEND": 0}}
    delivery = Delivery(3, "item", "k", counts, 2, 0, {}, {}, 9, 0.5)
    assert list(after_commit(delivery, target)) == [
        f"persisted to {target}.",
        "persisted {'item': {'CREATE': 2}}.",
        "processed (0:00:00.500000 seconds).",
    ]
    empty = Delivery(3, "item", "k", {"item": {"CREATE": 0}}, 2, 2, {}, {}, 9, 0.5)
    assert list(after_commit(empty, target))[1] == "persisted {}."
    repeated = Delivery(3, "item", "k", counts, 2, 0, {}, {}, 9, 0.5, repeated=True)
    assert list(after_commit(repeated, target)) == []
