"""Intervals as settings write them (`1d`, `1h`, `15m`), as durations and as the broker calls them."""

import re
from datetime import timedelta

from .errors import BadStrategy

_UNITS = {"m": ("minutes", "Min"), "h": ("hours", "Hour"), "d": ("days", "Day"), "w": ("weeks", "Week")}


def length(interval: str) -> timedelta:
    number, unit = _parsed(interval)
    return timedelta(**{_UNITS[unit][0]: number})


def timeframe(interval: str) -> str:
    """`1Day`, `15Min`."""
    number, unit = _parsed(interval)
    return f"{number}{_UNITS[unit][1]}"


def _parsed(interval: str) -> tuple[int, str]:
    found = re.fullmatch(r"([1-9][0-9]{0,2})([mhdw])", interval)
    if not found:
        raise BadStrategy(f"INTERVAL is {interval!r}; it is a number and m, h, d or w, as in 1d")
    return int(found[1]), found[2]
