"""What somebody means by a name, a key or a position, as the store knows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from onward.errors import Refused
from onward.record import Range


def full_name(kind: str, name: str, known: Iterable[str], app: str = "") -> str:
    """The full name of what is called so in full, or in short where only one fits.

    Args:
        app: whose those are that are known, where it is one app's.

    Raises:
        Refused: nothing, or more than one, has that name.
    """
    names = sorted(known)
    fitting = [one for one in names if name in (one, one.partition(".")[2])]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Refused(f"{kind} {name!r} may be {' or '.join(fitting)}; say which")
    if app:
        raise Refused(f"app {app} has no {kind} {name!r}; it has {', '.join(names) or 'none'}")
    raise Refused(f"there is no {kind} {name!r}; there are {', '.join(names) or 'none'}")


def key_or_place(what: str, topics: Collection[str]) -> tuple[str | None, Range | None]:
    """The key, or the position that somebody means: `TOPIC:PARTITION:OFFSET` or `TOPIC:PARTITION:FIRST-LAST`, the topic
    in full or, where only one is called so, in short. What has another shape is a key, and so is what would be in short
    of a topic that there is none of.

    Raises:
        Refused: there is no such topic, or more than one.
    """
    place = Range.parse(what)
    if place is None or ("." not in place.topic and not any(one.partition(".")[2] == place.topic for one in topics)):
        return what, None
    return None, place._replace(topic=full_name("topic", place.topic, topics))
