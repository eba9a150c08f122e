"""Schedules: every so often, by chance between bounds, and by cron in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from onward import schedule
from onward.schedule import Cron, Every

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def told(cron: Cron, start: float, count: int) -> list[str]:
    """The next instants, in UTC."""
    found = []
    for _ in range(count):
        start = cron.next(start)
        found.append(datetime.fromtimestamp(start, UTC).strftime("%m-%d %H:%M"))
    return found


def test_every_counts_from_start_to_start() -> None:
    assert schedule.every("15m") == Every(900.0, 900.0)
    assert schedule.every(timedelta(seconds=3)).after(100.0, lambda: 0.3) == 103.0
    assert schedule.every("15m").first(7.0) == 7.0


@given(st.floats(0.0, 1.0))
def test_two_bounds_are_drawn_between_both_inclusive(chance: float) -> None:
    drawn = schedule.every(("15s", "30s")).after(0.0, lambda: chance)
    assert drawn == 15.0 + 15.0 * chance
    assert 15.0 <= drawn <= 30.0


@pytest.mark.parametrize(
    "value", ["soon", ("1s",), ("1s", "2s", "3s"), ("3s", "1s"), "0s", ("0s", "1s"), -1, ("1s", "x")]
)
def test_what_is_no_every_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        schedule.every(value)


@pytest.mark.parametrize(
    ("text", "zone", "part"),
    [
        ("0 8,12 * *", None, "five fields"),
        ("0 8 * * * *", None, "five fields"),
        ("61 * * * *", None, "five fields"),
        ("r * * * *", None, "five fields"),
        ("@soon", None, "five fields"),
        (5, None, "five fields"),
        ("0 0 30 2 *", None, "never comes"),
        ("0 8 * * *", "Mars/North", "no time zone"),
        ("0 8 * * *", "../etc/passwd", "no time zone"),
        ("0 8 * * *", "", "no time zone"),
    ],
)
def test_what_is_no_cron_is_refused(text: object, zone: str | None, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        schedule.cron(text, zone)


def test_cron_is_utc_without_a_zone() -> None:
    cron = schedule.cron("0 8,12 * * *")
    assert told(cron, at("2026-01-01T08:00:00"), 3) == ["01-01 12:00", "01-02 08:00", "01-02 12:00"]
    assert told(cron, at("2026-01-01T07:59:59"), 1) == ["01-01 08:00"]


def test_a_zone_is_followed_through_the_year() -> None:
    cron = schedule.cron("0 8 * * *", BERLIN)
    assert told(cron, at("2026-03-27T12:00:00"), 3) == ["03-28 07:00", "03-29 06:00", "03-30 06:00"]


def test_days_of_month_and_week_are_alternatives_as_cron_has_it() -> None:
    cron = schedule.cron("0 0 1 * mon")
    assert told(cron, at("2026-01-30T00:00:00"), 3) == ["02-01 00:00", "02-02 00:00", "02-09 00:00"]


def test_a_skipped_local_time_is_not_lost() -> None:
    """On 29 March the clocks of Berlin go from 02:00 to 03:00, which is 01:00 in UTC."""
    cron = schedule.cron("30 2 * * *", BERLIN)
    assert told(cron, at("2026-03-27T12:00:00"), 3) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_skipped_local_times_come_together() -> None:
    cron = schedule.cron("*/20 * * * *", BERLIN)
    assert told(cron, at("2026-03-29T00:30:00"), 4) == ["03-29 00:40", "03-29 01:00", "03-29 01:20", "03-29 01:40"]


def test_a_local_time_that_comes_twice_counts_once() -> None:
    """On 25 October the clocks of Berlin go from 03:00 to 02:00, which is 01:00 in UTC."""
    cron = schedule.cron("30 2 * * *", BERLIN)
    assert told(cron, at("2026-10-24T12:00:00"), 2) == ["10-25 00:30", "10-26 01:30"]
    hourly = schedule.cron("0 * * * *", BERLIN)
    assert told(hourly, at("2026-10-24T23:30:00"), 3) == ["10-25 00:00", "10-25 02:00", "10-25 03:00"]


@given(
    text=st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */3 * * *", "15,45 1-3 * * sun", "0 0 1 * *"]),
    zone=st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]),
    start=st.integers(1_262_304_000, 1_900_000_000),
)
def test_every_local_time_is_met_once_and_in_order(text: str, zone: str, start: int) -> None:
    """Over some days, whatever the clocks do: instants grow, and each local time that the expression names has one."""
    cron, tz, end = schedule.cron(text, zone), ZoneInfo(zone), start + 3 * 86400
    instants = [float(start)]
    while instants[-1] <= end:
        instants.append(cron.next(instants[-1]))
        assert instants[-1] > instants[-2]
    met = [datetime.fromtimestamp(instant, tz).replace(tzinfo=None) for instant in instants[1:]]
    assert len(set(met)) == len(met)
    local = datetime.fromtimestamp(start, tz).replace(tzinfo=None)
    named = croniter(text, local, ret_type=datetime)
    while (wanted := named.get_next()) < datetime.fromtimestamp(end, tz).replace(tzinfo=None):
        aware = wanted.replace(tzinfo=tz)
        skipped = datetime.fromtimestamp(aware.timestamp(), tz).replace(tzinfo=None) != wanted
        before = aware.timestamp() <= start  # its first coming was before we began to look
        assert wanted in met or before or (skipped and any(wanted <= one <= wanted + timedelta(days=2) for one in met))
