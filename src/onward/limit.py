"""A limit: so many calls at once, over all workers of a store. How the slots are shared; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Seat(NamedTuple):
    """A worker at a limit: how many slots it holds, and how many it could use."""

    worker: str
    held: int
    wants: int


def granted(seats: Sequence[Seat], mine: Seat, most: int, turn: int) -> int:
    """How many slots a worker may hold from now on: never fewer than `mine.held`, which it uses, and never so many
    that all together hold more than `most`.

    Args:
        seats: of the other workers that live.
        mine: `held` is what it uses now.
        turn: a number that changes with time; it says who gets the slots that cannot be shared evenly.
    """
    free = most - sum(seat.held for seat in seats)
    wants = {seat.worker: seat.wants for seat in [*seats, mine]}
    return max(mine.held, min(free, shares(wants, most, turn)[mine.worker]))


def shares(wants: Mapping[str, int], most: int, turn: int) -> dict[str, int]:
    """What each gets when all share evenly and nobody gets more than it wants."""
    found = dict.fromkeys(wants, 0)
    left = most
    while left > 0 and (open_ := sorted(name for name in wants if found[name] < wants[name])):
        if left < len(open_):
            first = turn % len(open_)
            open_ = [*open_[first:], *open_[:first]][:left]
        each = max(1, left // len(open_))
        for name in open_:
            more = min(each, wants[name] - found[name])
            found[name] += more
            left -= more
    return found
