"""Schedules: when a source is called. Values; time and chance come from outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from onward import units

_CHANCE = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)


class Every(Struct, frozen=True):
    """So many seconds from start to start, drawn anew each time between two bounds, both inclusive."""

    least: float
    most: float

    def first(self, now: float) -> float:
        """When who takes the source calls it: at once."""
        return now

    def after(self, begun: float, chance: Callable[[], float]) -> float:
        """When the call after one that began at an instant is due. It may be past when that one has ended: then one
        call stands for all that were missed."""
        return begun + self.least + (self.most - self.least) * chance()


class Cron(Struct, frozen=True):
    """The instants that an expression of five fields names, in the local time of a zone.

    Where clocks go back, a local time that comes twice counts once, the first time; where they go forward, times that
    are skipped come together at the first instant after. So every local time is met at most once, and none is lost.
    """

    text: str
    zone: str

    def first(self, now: float) -> float:
        """When who takes a source that was never called calls it: not before its time."""
        return self.next(now)

    def after(self, begun: float, chance: Callable[[], float]) -> float:
        """When the call after one that began at an instant is due."""
        return self.next(begun)

    def next(self, instant: float) -> float:
        """The first instant after this one; seconds since 1970."""
        zone = _zone(self.zone)
        local = datetime.fromtimestamp(instant, zone).replace(tzinfo=None)
        times = _times(self.text, local)
        while (found := _instant(times.get_next(), zone)) <= instant:
            pass  # its local time came before the clocks went back
        return found


Schedule = Every | Cron


def every(value: Any) -> Every:
    """From a duration, or from two that bound it.

    Raises:
        ValueError: it is neither, or leaves no time between two calls.
    """
    if isinstance(value, tuple | list) and len(value) != 2:
        raise ValueError(f'every={value!r}; it is a duration, or two of them that bound it, as in ("15s", "30s")')
    bounds = value if isinstance(value, tuple | list) else (value, value)
    try:
        least, most = (units.duration(one) for one in bounds)
    except ValueError as error:
        raise ValueError(f"every={error}") from error
    if least > most:
        raise ValueError(f"every={value!r}; the first bound is the lower one")
    if not least > 0:
        raise ValueError(f"every={value!r} is no time; without every= a source is called again as soon as it can be")
    return Every(least, most)


def cron(text: Any, zone: Any = None) -> Cron:
    """From five fields (minute, hour, day of month, month, day of week), or a name as `@daily`; UTC without a zone.

    Raises:
        ValueError: it is no such expression, never comes, or there is no such zone.
    """
    found = Cron(str(text), "UTC" if zone is None else str(zone))
    try:
        _zone(found.zone)
    except Exception as error:
        raise ValueError(f'zone={zone!r} is no time zone that is known here; write it as in "Europe/Berlin"') from error
    shape = f'cron={text!r} is no cron expression; write five fields, as in "0 8,12 * * *": minute, hour, day, month, '
    shape += "day of the week"
    if not isinstance(text, str) or not (text.startswith("@") or len(text.split()) == 5) or _CHANCE.search(text):
        raise ValueError(shape)
    try:
        _times(found.text, datetime(2000, 1, 1))
    except Exception as error:
        raise ValueError(f"{shape} ({error})") from error
    try:
        found.next(0.0)
    except Exception as error:
        raise ValueError(f"cron={text!r} names a time that never comes") from error
    return found


def _times(text: str, local: datetime) -> Any:
    from croniter import croniter  # not before it is needed: importing it takes longer than all that a command shows

    return croniter(text, local, ret_type=datetime)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _instant(local: datetime, zone: ZoneInfo) -> float:
    """When a local time comes first; where it is skipped, when the clocks have gone forward."""
    instant = local.replace(tzinfo=zone).timestamp()
    if datetime.fromtimestamp(instant, zone).replace(tzinfo=None) == local:
        return instant
    # The offset after the gap gives an instant before it, the offset before the gap one after it.
    before, after = int(local.replace(tzinfo=zone, fold=1).timestamp()), int(instant)
    offset = _offset(before, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return float(after)


def _offset(instant: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(instant, UTC).astimezone(zone).utcoffset()
