"""What somebody means by a name, a key or a position."""

from __future__ import annotations

import pytest

from onward.errors import Refused
from onward.names import full_name, key_or_place
from onward.record import Range

TOPICS = ["desk.found", "desk.issued", "shop.issued"]


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("desk.found:0:12", Range("desk.found", 0, 12, 13)),
        ("found:0:12", Range("desk.found", 0, 12, 13)),
        ("found:3:12-14", Range("desk.found", 3, 12, 15)),
        ("shop.issued:0:0", Range("shop.issued", 0, 0, 1)),
    ],
)
def test_a_position_in_full_and_in_short(what: str, place: Range) -> None:
    assert key_or_place(what, TOPICS) == (None, place)


@pytest.mark.parametrize(
    "what", ["", "12", "found", "found:0", "found:0:x", "found:0:9-3", "urn:0:12", "a:b:c", "Found:0:1"]
)
def test_what_has_another_shape_is_a_key(what: str) -> None:
    assert key_or_place(what, TOPICS) == (what, None)


def test_a_topic_that_is_not_there_or_that_several_have() -> None:
    with pytest.raises(Refused, match=r"desk.issued or shop.issued; say which"):
        key_or_place("issued:0:1", TOPICS)
    with pytest.raises(Refused, match=r"no topic 'desk.lost'; there are desk.found"):
        key_or_place("desk.lost:0:1", TOPICS)
    with pytest.raises(Refused, match=r"app desk has no topic 'lost'; it has desk.found"):
        full_name("topic", "lost", ["desk.found"], "desk")
    with pytest.raises(Refused, match="there are none"):
        full_name("topic", "found", [])
