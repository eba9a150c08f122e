"""Short names: which of the store's topics and stages somebody means."""

from __future__ import annotations

from collections.abc import Iterable

from onward.errors import Refused


def full_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The full name of what is called so in full, or in short where only one fits.

    Raises:
        Refused: nothing, or more than one, has that name.
    """
    names = sorted(known)
    fitting = [one for one in names if name in (one, one.partition(".")[2])]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Refused(f"{kind} {name!r} may be {' or '.join(fitting)}; say which")
    raise Refused(f"there is no {kind} {name!r}; there are {', '.join(names) or 'none'}")
