"""Lines as records."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from onward import Topic
from onward.errors import BadRecord
from onward.put import Desk, batches


def _stored(topic: Topic[Any], line: bytes, *, records: bool = False) -> list[Any]:
    _, _, entry = Desk(topic, records=records, now=lambda: 0.0).taken(line)
    return json.loads(entry)


def test_values_of_any_type() -> None:
    anything = Topic("a.b", Any)
    assert _stored(anything, b'{"x": [1, null]}') == [None, None, "1970-01-01T00:00:00.000000Z", None, {"x": [1, None]}]
    assert _stored(anything, b'{"$base64": "eA=="}')[4] == {"$value": {"$base64": "eA=="}}
    assert _stored(Topic("a.b", Any, key="x"), b'{"x": 7}')[1] == "7"
    assert _stored(Topic("a.b", bytes), b"as it is")[4] == "as it is"
    assert _stored(Topic("a.b", bytes), b"\xff")[4] == {"$base64": "/w=="}


@pytest.mark.parametrize("value", ['"as it is"', '{"$base64": "/w=="}'])
def test_records_come_back_as_they_were_shown(value: str) -> None:
    line = f'{{"value": {value}, "key": null, "offset": 7}}'.encode()
    for topic in (Topic("a.b", bytes), Topic("a.b", Any)):
        assert _stored(topic, line, records=True)[4] == json.loads(value)


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_it() -> None:
    lines = [line for batch in batches(io.BytesIO(b'\xef\xbb\xbf{"a": 1}\n\xef\xbb\xbf2\n')) for line in batch]
    assert lines == [(1, b'{"a": 1}'), (2, b"\xef\xbb\xbf2")]
    assert list(batches(io.BytesIO(b"\xef\xbb\xbf"))) == []


def test_a_time_that_is_none_is_told_with_what_it_may_be() -> None:
    with pytest.raises(BadRecord, match=r"^`time`: 'yesterday' is no time; write ISO 8601, as in \"2026-03-01\""):
        _stored(Topic("a.b", Any), b'{"value": 1, "time": "yesterday"}', records=True)


def test_a_record_without_a_key_takes_the_topics() -> None:
    topic = Topic("a.b", dict, key="x")
    assert _stored(topic, b'{"value": {"x": "k"}}', records=True)[1] == "k"
    assert _stored(topic, b'{"value": {"x": "k"}, "key": null}', records=True)[1] is None
    assert _stored(topic, b'{"value": {"x": "k"}, "headers": null, "time": "2020-01-01"}', records=True)[2:4] == [
        "2020-01-01T00:00:00.000000Z",
        None,
    ]


@pytest.mark.parametrize(
    ("line", "records"),
    [
        (b"{", False),
        (b'"text"', False),
        (b"{}", False),
        (b"[]", True),
        (b'{"value": 1}', True),
        (b'{"key": "a"}', True),
    ],
)
def test_what_is_none_of_the_topic(line: bytes, records: bool) -> None:
    with pytest.raises(BadRecord):
        Desk(Topic("a.b", dict, key="x"), records=records).taken(line)


def test_lines_are_numbered_and_gathered() -> None:
    text = b"".join(b"%d\n" % number for number in range(2500)) + b"\n  \nlast"
    found = list(batches(io.BytesIO(text)))
    assert [len(batch) for batch in found] == [1000, 1000, 500, 1]
    assert found[0][0] == (1, b"0") and found[-1] == [(2503, b"last")]
    assert list(batches(io.BytesIO(b""))) == []
