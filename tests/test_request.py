"""What a request changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from onward import App
from onward.codec import Codec, encode
from onward.commit import Answer
from onward.errors import Refused
from onward.log import Parked, Request
from onward.request import carried_out, copy_name, edited
from onward.topic import Topic

NOW = 100.0


class Order(Struct):
    customer: str
    cents: int


ORDERS: Topic[Any] = App("shop").topic("orders", Order, key="customer", max_record=150)
READER = Codec(Order)


def row(offset: int, state: Any = "dead", customer: str = "ann", cents: int = 1) -> Parked:
    entry = encode(("a.b:0:1", customer, "2025-01-01T00:00:00Z", {"h": "1"}, Order(customer, cents)))
    return Parked(offset=offset, key=customer, state=state, due=5.0, attempts=3, since=1.0, entry=entry, nonce="n")


def asked(action: Any, value: str | None = None, **match: object) -> Request:
    return Request(7, "shop.bill", 0, action, match, "ann", 1.0, value)


def test_a_drop_finishes_and_says_by_whom() -> None:
    draft = carried_out(asked("drop"), [row(3), row(4), row(9)], ORDERS, READER, NOW)
    assert (list(draft.unpark), draft.done, draft.dropped) == ([3, 4, 9], 3, 3)
    assert draft.drops == {"by ann": [3, 4, 9]}
    assert draft.answered == [Answer(7, "3 dropped", [(3, 5), (9, 10)])]


def test_a_retry_leaves_those_behind() -> None:
    rows = [row(3), row(4, "behind"), row(5, "waiting")]
    draft = carried_out(asked("retry"), rows, ORDERS, READER, NOW)
    found = {offset: (one.state, one.due, one.attempts, one.approved) for offset, one in draft.park.items()}
    assert found == {3: ("retrying", NOW, 0, False), 5: ("retrying", NOW, 0, True)}
    assert draft.answered == [Answer(7, "2 to be tried", [(3, 4), (5, 6)])]


def test_what_is_not_as_seen_is_counted() -> None:
    match = {"seen": {"dead 2025-01-01T00:00:00.000000Z": [[3, 5], [9, 10]], "behind": [[11, 12]]}}
    draft = carried_out(asked("drop", **match), [row(3)], ORDERS, READER, NOW)
    assert draft.answered[0].result == "1 dropped; 3 not as seen any more, and left"


def test_an_edit_changes_the_value_and_nothing_else() -> None:
    before = row(3)
    request = asked("edit", '{ "customer": "ann", "cents": 20 }', copy=copy_name(before.entry))
    draft = carried_out(request, [before], ORDERS, READER, NOW)
    assert draft.answered == [Answer(7, "1 edited", [(3, 4)])]
    after = draft.park[3]
    assert msgspec.structs.replace(after, entry=b"") == msgspec.structs.replace(before, entry=b"")
    assert msgspec.json.decode(after.entry) == [
        "a.b:0:1", "ann", "2025-01-01T00:00:00Z", {"h": "1"}, {"customer": "ann", "cents": 20},
    ]  # fmt: skip


def test_an_edit_does_not_go_over_another_one() -> None:
    request = asked("edit", '{"customer": "ann", "cents": 20}', copy=copy_name(row(3, cents=2).entry))
    draft = carried_out(request, [row(3)], ORDERS, READER, NOW)
    assert not draft.park and draft.answered[0].result == "0 edited: somebody else has edited it meanwhile"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{", "is no JSON"),
        ("", "is no JSON"),
        ('{"customer": "ann"}', "is no record of topic shop.orders: Object missing required field `cents`"),
        ('{"customer": "bob", "cents": 1}', "has key 'bob' and the record 'ann': a key may not change"),
        (f'{{"customer": "ann", "cents": {"1" * 18}, "x": "{"x" * 200}"}}', "bytes, the most is 150"),
    ],
)
def test_what_cannot_be_put_in(value: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        edited(row(3).entry, value, ORDERS, READER)
    draft = carried_out(asked("edit", value), [row(3)], ORDERS, READER, NOW)
    assert not draft.park and draft.answered[0].result.startswith("0 edited: ")


def test_a_key_function_that_fails() -> None:
    topic: Topic[Any] = App("shop").topic("any", key=lambda value: value["a"]["b"])
    entry = encode((None, "k", "2025-01-01T00:00:00Z", None, {"a": {"b": "k"}}))
    assert edited(entry, '{"a": {"b": "k", "c": 1}}', topic, Codec(Any)).endswith(b'{"a":{"b":"k","c":1}}]')
    with pytest.raises(Refused, match=r"has no key in topic shop\.any: TypeError"):
        edited(entry, "[]", topic, Codec(Any))


def test_a_key_that_is_not_of_the_value_stays() -> None:
    topic: Topic[Any] = App("shop").topic("any")
    entry = encode((None, "k", "2025-01-01T00:00:00Z", None, 1))
    assert edited(entry, "2", topic, Codec(Any)) == b'[null,"k","2025-01-01T00:00:00Z",null,2]'
