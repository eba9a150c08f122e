"""Durations, sizes and instants as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.units import counted, duration, instant, instant_text, moment_text, rate, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("1s", 1.0),
        (" 1.5 m ", 90.0),
        ("2h", 7200.0),
        ("7d", 604_800.0),
        ("0s", 0.0),
        (timedelta(minutes=1, milliseconds=5), 60.005),
        (3, 3.0),
        (0.5, 0.5),
    ],
)
def test_durations(text: str | timedelta | float, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 sec", "-1s", "1s2m", "1e3s", -1, timedelta(seconds=-1), True, None, b"1s"]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError):
        duration(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1MB", 1_000_000),
        ("256 mb", 256_000_000),
        ("1.5KB", 1_500),
        ("2GB", 2_000_000_000),
        ("10B", 10),
        (77, 77),
        (0, 0),
    ],
)
def test_sizes(text: str | int, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "5", "1TB", "1MiB", "-1KB", -1, True, 1.5, None])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError):
        size(text)  # type: ignore[arg-type]


def test_instants_are_text_in_utc_with_microseconds() -> None:
    assert instant_text(0) == "1970-01-01T00:00:00.000000Z"
    assert instant_text(1_750_000_000.25) == "2025-06-15T15:06:40.250000Z"
    assert instant_text(0.0000006) == "1970-01-01T00:00:00.000001Z"
    assert instant_text(1.9999999) == "1970-01-01T00:00:02.000000Z"
    assert instant_text(-0.5) == "1969-12-31T23:59:59.500000Z"


@pytest.mark.parametrize(
    "text",
    ["2025-06-15T15:06:40.250000Z", "2025-06-15T15:06:40.25", "2025-06-15T17:06:40.25+02:00", "20250615T150640.25Z"],
)
def test_instants_are_read_from_iso_8601(text: str) -> None:
    assert instant(text) == 1_750_000_000.25


def test_a_date_is_its_first_instant() -> None:
    assert instant("2025-06-15") == datetime(2025, 6, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "15.06.2025", "2025-13-01"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):
        instant(text)


@given(st.integers(-(10**15), 10**15))
def test_instants_keep_their_order_and_their_microseconds(micros: int) -> None:
    text = instant_text(micros / 1_000_000)
    assert round(instant(text) * 1_000_000) == micros
    assert instant_text((micros + 1) / 1_000_000) > text


def test_moments() -> None:
    expected = "2025-06-15T15:06:40.000000Z"
    assert moment_text(datetime(2025, 6, 15, 15, 6, 40)) == expected
    assert moment_text(datetime(2025, 6, 15, 17, 6, 40, tzinfo=timezone(timedelta(hours=2)))) == expected
    assert moment_text("2025-06-15T15:06:40") == expected


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 1, 1)))
def test_moments_keep_their_microseconds(moment: datetime) -> None:
    assert moment_text(moment) == moment.isoformat(timespec="microseconds") + "Z"


@pytest.mark.parametrize(("text", "per_second"), [("100/s", 100.0), ("120/m", 2.0), (" 36 / h ", 0.01), ("0.5/s", 0.5)])
def test_rates(text: str, per_second: float) -> None:
    assert rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("text", ["", "5", "/s", "0/s", "-1/s", "5/d", "5 per s", 5, None])
def test_what_is_no_rate(text: object) -> None:
    with pytest.raises(ValueError):
        rate(text)  # type: ignore[arg-type]


def test_things_are_counted_as_people_say_it() -> None:
    assert [counted(number, "record") for number in range(3)] == ["0 records", "1 record", "2 records"]
    assert [counted(number, "record is", "records are") for number in (1, 2)] == ["1 record is", "2 records are"]
