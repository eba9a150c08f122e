"""Deciding on what waits in reviews, as somebody outside: what waits, and the requests that a worker carries out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from onward.codec import VALUE
from onward.errors import Refused
from onward.log import AppSpec, Books, Request, StageSpec
from onward.parked import Asked, Choice, Found, chosen
from onward.record import Range


def reviews_of(apps: Sequence[AppSpec]) -> dict[str, StageSpec]:
    """The reviews of these apps, by name."""
    return {stage.name: stage for app in apps for stage in app.stages if stage.choices}


async def waiting(
    books: Books,
    reviews: dict[str, StageSpec],
    key: str | None = None,
    place: Range | None = None,
    stage: str | None = None,
) -> AsyncIterator[Found]:
    """What waits in these reviews, by stage, partition and offset.

    Args:
        key: only those with this key.
        place: only those there.
        stage: only of this one of the reviews.
    """
    async for found in chosen(books, Choice(stage, key, "waiting", place=place)):
        if found.stage in reviews:
            yield found


async def decide(
    books: Books, reviews: dict[str, StageSpec], found: Sequence[Found], choice: str, note: str, by: str, at: float
) -> Sequence[Asked]:
    """Asks the holders to decide so on each of these records.

    Raises:
        Refused: that is no choice in one of their reviews; nothing was asked.
    """
    for one in found:
        choices = reviews[one.stage].choices
        if choice not in choices:
            raise Refused(f"{choice!r} is no choice of {one.stage}; there are {', '.join(choices)}")
    decision: dict[str, Any] = {"choice": choice, "note": note}
    requests = [
        Request(
            0, one.stage, one.partition, "decide",
            {"offset": one.row.offset, "state": "waiting", "decision": decision}, by, at,
        )
        for one in found
    ]  # fmt: skip
    ids = await books.ask(requests) if requests else ()
    return [Asked(id_, one.stage, one.partition, 1) for id_, one in zip(ids, found, strict=True)]


def told(found: Found, choices: Sequence[str]) -> dict[str, Any]:
    """The line of `review list --json`."""
    line = found.told()
    value = msgspec.json.decode(found.row.entry, type=list[msgspec.Raw])[VALUE]
    names = ("stage", "topic", "partition", "offset", "key", "since", "reason")
    return {**{name: line[name] for name in names}, "choices": list(choices), "value": value}
