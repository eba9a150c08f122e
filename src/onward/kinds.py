"""What each option of a declaration may be: its kind and its range. What does not fit is told before anything is made
of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from onward.database import Database
from onward.dedupe import Window
from onward.lifecycle import Lifecycle
from onward.rate import Rate
from onward.retry import Retry
from onward.topic import Topic


class Kind(NamedTuple):
    """What an option may be: in words, and whether a value is that."""

    told: str
    fits: Callable[[Any], bool]


def either(*kinds: Kind) -> Kind:
    return Kind(" or ".join(kind.told for kind in kinds), lambda value: any(kind.fits(value) for kind in kinds))


def a(class_: type) -> Kind:
    return Kind(f"a {class_.__name__}", lambda value: isinstance(value, class_))


def words(*texts: str) -> Kind:
    return Kind(" or ".join(f'"{text}"' for text in texts), lambda value: value in texts)


def listed(kind: Kind) -> Kind:
    return Kind(
        f"a list, each item {kind.told}",
        lambda value: isinstance(value, list | tuple) and all(kind.fits(one) for one in value),
    )


def one_or_more(kind: Kind) -> Kind:
    return Kind(f"{kind.told}, or a list of such", lambda value: kind.fits(value) or listed(kind).fits(value))


def _readable(value: Any) -> bool:
    try:
        msgspec.json.Decoder(value)
    except (TypeError, ValueError, RuntimeError, NameError):
        return False
    return True


NOTHING = Kind("None", lambda value: value is None)
TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("True or False", lambda value: value is True or value is False)
FUNCTION = Kind("a function", callable)
COUNT = Kind(
    "a whole number of at least 1", lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0
)
TYPE = Kind("a type that JSON can be read as", _readable)
FAILURES = Kind(
    "an exception class, or a tuple of such",
    lambda value: all(isinstance(one, type) for one in (value if isinstance(value, tuple) else [value])),
)

TOPIC = {"key": either(TEXT, FUNCTION, NOTHING), "partitions": COUNT, "was": either(TEXT, NOTHING)}
TABLE = {
    "type": TYPE, "key": either(TEXT, FUNCTION), "lifecycle": either(a(Lifecycle), NOTHING), "index": listed(TEXT),
    "was": either(TEXT, NOTHING),
}  # fmt: skip
SOURCE = {
    "cron": either(TEXT, NOTHING), "zone": either(TEXT, NOTHING), "at_least_once": FLAG,
    "was": either(TEXT, NOTHING),
}  # fmt: skip
STAGE = {
    "retry": a(Retry), "batch": either(COUNT, NOTHING), "parallel": COUNT,
    "limit": either(COUNT, NOTHING), "rate": either(TEXT, a(Rate), NOTHING), "isolate": FLAG,
    "within": either(a(Database), NOTHING), "effect": either(FLAG, NOTHING), "split": either(FLAG, NOTHING),
    "unordered": FLAG, "long": FLAG, "on_dead": words("hold", "pass"), "parked_most": COUNT, "slows": FLAG,
    "dedupe": either(a(Window), NOTHING), "idempotency": either(TEXT, FUNCTION, NOTHING),
    "start": either(words("first", "now"), NOTHING), "upgrade": either(FUNCTION, NOTHING),
    "was": either(TEXT, NOTHING),
}  # fmt: skip
TOPICS = {"topic": a(Topic), "to": one_or_more(a(Topic))}
REVIEW = {"choices": listed(TEXT), "newest": FLAG}
RETRY = {"attempts": either(COUNT, NOTHING), "reject": FAILURES}
WINDOW = {"by": either(TEXT, FUNCTION), "most": COUNT}
DATABASE = {"url": either(TEXT, FUNCTION)}
PARTS: Mapping[type, Mapping[str, Kind]] = {Retry: RETRY, Window: WINDOW, Database: DATABASE}
"""Options that have options of their own."""


def wrong(options: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, str]:
    """What is to be said of each option that is not what it may be, or that has one which is not."""
    found = {}
    for name, value in options.items():
        if (kind := kinds.get(name)) is None:
            continue
        if not kind.fits(value):
            found[name] = f"{name}={value!r}; it is {kind.told}"
        elif (inner := PARTS.get(type(value))) is not None:
            faults = wrong({one: getattr(value, one) for one in inner}, inner).values()
            if faults:
                found[name] = ", and ".join(f"{name}={type(value).__name__}(...) has {what}" for what in faults)
    return found
