"""`onward trace`: the way of a record, from what it came from to all that became of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from onward.cli import opened, options, show
from onward.cli.journey import drawn, lines, plain
from onward.config import Config
from onward.errors import NotThere
from onward.names import key_or_place
from onward.trace import ABSENT, Journey, tracer

JOURNEYS = 20
"""Journeys of a key that are shown unless they are asked for."""


def trace(
    what: Annotated[
        str,
        typer.Argument(
            metavar="KEY|POSITION",
            help="TOPIC:PARTITION:OFFSET, or -LAST behind it; all else is a key.",
            show_default=False,
        ),
    ],
    key: Annotated[bool, typer.Option("--key", help="It is a key, whatever it looks like.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many journeys.")] = JOURNEYS,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Trace a record, or all records of a key: back to what they came from, on through every stage, with each
    attempt, its error and what it changed. Of a key the newest come first."""
    asyncio.run(_trace(Config.read().store(store), what, limit, is_key=key, json=json))


async def _trace(url: str, what: str, limit: int, *, is_key: bool, json: bool) -> None:
    async with opened.looking(url) as books:
        survey = await books.survey(0.0)
        place = None if is_key else key_or_place(what, [one.topic for one in survey.topics])[1]
        made = await tracer(books, survey)
        count = 0
        async for journey in made.of(place) if place is not None else made.of_key(what):
            if count == limit:
                show.note(f"the {'first' if place else 'newest'} {limit}; --limit shows more")
                return
            if journey.at.kept == ABSENT:
                raise NotThere(f"{journey.at.place} is not written yet; `onward read` shows what is, --key means a key")
            count += 1
            _show(journey, count, json=json)
        if not count:
            raise NotThere(f"no record that is kept has the key {what!r}")


def _show(journey: Journey, number: int, *, json: bool) -> None:
    if json:
        for line in lines(journey, number):
            show.line(line)
    elif show.out.is_terminal:
        show.out.print(drawn(journey))
    else:
        print(plain(journey))
