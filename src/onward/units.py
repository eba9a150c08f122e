"""How people write durations, rates, sizes and instants, and what they mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)", re.IGNORECASE)
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
CENTURY = 100 * 366 * 86400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def duration(text: str | timedelta | float) -> float:
    """Seconds from text of one number and `ms|s|m|h|d`, a timedelta, or plain seconds.

    Raises:
        ValueError: it is none of these, or negative.
    """
    try:
        return _duration(text)
    except TypeError:  # it cannot even be looked up
        raise ValueError(f"{text!r} is no duration") from None


@lru_cache(maxsize=256)
def _duration(text: str | timedelta | float) -> float:
    if isinstance(text, timedelta):
        seconds = text.total_seconds()
    elif isinstance(text, int | float) and not isinstance(text, bool):
        seconds = float(text)
    elif isinstance(text, str) and (match := _DURATION.fullmatch(text.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    else:
        raise ValueError(f'{text!r} is no duration; write one number and ms, s, m, h or d, as in "15m"')
    if not 0 <= seconds <= CENTURY:
        raise ValueError(f"{text!r} is negative" if seconds < 0 else f"{text!r} is no time that anybody waits")
    return seconds


def rate(text: str) -> float:
    """How many per second, from text of one number and `/s`, `/m` or `/h`.

    Raises:
        ValueError: it is none, or nothing at all.
    """
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not float(match[1]):
        raise ValueError(f'{text!r} is no rate; write one number and /s, /m or /h, as in "100/s"')
    return float(match[1]) / _SECONDS[match[2]]


def size(text: str | int) -> int:
    """Bytes from text of one number and `KB|MB|GB` (of 1,000), or a plain number of bytes."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    if isinstance(text, str) and (match := _SIZE.fullmatch(text.strip())):
        return int(float(match[1]) * _BYTES[match[2].upper()])
    raise ValueError(f'{text!r} is no size; write one number and KB, MB or GB, as in "256MB"')


def instant_text(seconds: float) -> str:
    """ISO 8601 in UTC with microseconds and `Z`, from seconds since 1970."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_to_the_second(whole)}.{micros:06d}Z"


@lru_cache(maxsize=64)
def _to_the_second(whole: int) -> str:
    return (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")


def instant(text: str) -> float:
    """Seconds since 1970 from ISO 8601; without an offset it is UTC.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    moment = _moment(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def moment_text(moment: datetime | str) -> str:
    """The text of an instant given as a datetime (naive is UTC) or as ISO 8601 text.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    if isinstance(moment, str):
        moment = _moment(moment)
    utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f'{text!r} is no time; write ISO 8601, as in "2026-03-01" or "2026-03-01T12:30:00Z" (UTC without an offset)'
        ) from None


def counted(count: int, one: str, many: str = "") -> str:
    """A number of things as people say it: `1 record`, `2 records`; `many` where that is not `one` and an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
