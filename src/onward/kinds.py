"""Options of the wrong kind, told before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES: dict[Any, str] = {int: "a whole number", str: "a text", type(None): "None"}


def wrong_kinds(options: Mapping[str, Any], kinds: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """What is to be said of each option that is none of the kinds it may be.

    `callable` is a kind, too. With `list` at the end there may be several of the other kinds, with it at the beginning
    there are, in a list or tuple.
    """
    return [
        f"{name}={options[name]!r}; it is {_told(allowed)}"
        for name, allowed in kinds.items()
        if not _is_one(options[name], allowed)
    ]


def _is_one(value: Any, allowed: tuple[Any, ...]) -> bool:
    inner = tuple(kind for kind in allowed if kind is not list)
    if isinstance(value, list | tuple):
        return list in allowed and all(_is_one(item, inner) for item in value)
    if allowed[0] is list or isinstance(value, bool):
        return False
    if callable in inner and callable(value):
        return True
    return isinstance(value, tuple(kind for kind in inner if isinstance(kind, type)))


def _told(allowed: tuple[Any, ...]) -> str:
    if allowed[0] is list:
        return f"a list, each item {_told(allowed[1:])}"
    named = [
        "a function" if kind is callable else NAMES.get(kind, f"a {getattr(kind, '__name__', kind)}")
        for kind in allowed
        if kind is not list
    ]
    return " or ".join(named) + (", or a list of such" if list in allowed else "")
