"""What does not fit, in the terms of who wrote the value."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from onward.misfit import misfit


class Part(msgspec.Struct):
    number: int
    by: dict[str, list[int]] = {}
    at: dict[int, int] = {}


class Order(msgspec.Struct):
    parts: list[Part]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"parts": [{"number": "x"}]}', "Expected `int`, got `str`, in field `parts[0].number`"),
        ('{"parts": [{}]}', "Object missing required field `number`, in field `parts[0]`"),
        (
            '{"parts": [{"number": 1, "by": {"a": [null]}}]}',
            "Expected `int`, got `null`, in field `parts[0].by[...][0]`",
        ),
        ('{"parts": [{"number": 1, "at": {"a": 1}}]}', "Expected `int`, got `str`, as a key, in field `parts[0].at`"),
        ("{}", "Object missing required field `parts`"),
        ("[]", "Expected `object`, got `array`"),
    ],
)
def test_by_field_alone_and_inside_of_something_else(text: str, told: str) -> None:
    assert _said(text, Order) == told
    assert _said(f"[1, 2, {text}]", tuple[int, int, Order], inside=2) == told


def test_by_line_and_column_where_it_is_no_json() -> None:
    assert _said('{\n  "é": 1,\n}', Any) == "JSON is malformed: trailing comma in object (line 3, column 1)"
    assert _said(b'{"a" 1}', Any) == "JSON is malformed: expected ':' (line 1, column 6)"
    assert _said('{"a"', Any) == "the JSON ends before it is complete"


def _said(text: str | bytes, type_: Any, inside: int | None = None) -> str:
    with pytest.raises(msgspec.MsgspecError) as raised:
        msgspec.json.decode(text, type=type_)
    return misfit(raised.value, text, inside=inside)
