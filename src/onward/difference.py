"""The difference between two JSON values: what a stage, or a person, has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Change(Struct, frozen=True):
    """One place where they differ: `before` is unset where it is new, `after` where it is gone. The path of the whole
    value is empty; else it is like `lines[2].price`."""

    path: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


def difference(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """All places where two values, as JSON has them, differ: in the order of the first, then what is new."""
    if before.__class__ is after.__class__ is dict:
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _at(before.get(name, UNSET), after.get(name, UNSET), f"{path}.{name}" if path else str(name))
    elif before.__class__ is after.__class__ is list and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from difference(*pair, path=f"{path}[{index}]")
    elif before.__class__ is not after.__class__ or before != after:
        yield Change(path, before, after)


def _at(before: Any, after: Any, path: str) -> Iterator[Change]:
    if before is UNSET or after is UNSET:
        yield Change(path, before, after)
    else:
        yield from difference(before, after, path)
