"""`onward read`: the records of a topic."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Annotated

import typer

from onward.cli import opened, options, show
from onward.config import Config
from onward.errors import Refused
from onward.names import full_name
from onward.read import Kept, Wish, kept, wish

SCREEN = 20
"""Records that a person is shown unless they say how many."""


def read(
    topic: Annotated[
        str,
        typer.Argument(metavar="TOPIC", help="The topic; in short where only one fits.", autocompletion=options.topics),
    ],
    key: Annotated[
        str | None,
        typer.Option(metavar="K", help="Only records of this key.", show_default=False),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="OFFSET|TIME", help="From this offset or time on.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="At most so many; 20 on a terminal unless said.", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until interrupted.")] = False,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Print the records that a topic keeps, partition by partition in offset order."""
    try:
        wanted = wish(key, start)
    except ValueError as error:
        raise Refused(f"--from is an offset or a time: {error}") from None
    most = SCREEN if limit is None and show.out.is_terminal and not follow else limit
    with contextlib.suppress(KeyboardInterrupt):
        more = asyncio.run(_read(Config.read().store(store), topic, wanted, most, follow=follow, json=json))
        if more is None:
            show.note("no record that is kept fits" if wanted != Wish() else "nothing is in it")
        elif more and limit is None:
            show.note(f"the first {most}; --limit shows more")


async def _read(url: str, name: str, wanted: Wish, most: int | None, *, follow: bool, json: bool) -> bool | None:
    """Whether there is more than was printed; None where nothing was."""
    left, found = most, None
    async with opened.looking(url) as books:
        topics = {one.topic: one for one in (await books.survey()).topics}
        topic = full_name("topic", name, topics)
        facts = topics[topic]
        partitions, moved = facts.held or facts.partitions, bool(facts.held)
        if left == 0:
            return False
        told = kept(
            books, topic, partitions, wanted, follow=follow, moved=moved, away=lambda error: show.note(str(error))
        )
        async for records in told:
            found = False
            more = left is not None and len(records) > left
            _write(records[:left], json=json)
            if left is not None:
                if more or (left == len(records) and follow):
                    return more
                left -= len(records)
            if follow:
                sys.stdout.flush()
    return found


def _write(records: list[Kept], *, json: bool) -> None:
    if json:
        for record in records:
            show.line(record)
    elif show.out.is_terminal:
        for record in records:
            place = f"{record.topic}:{record.partition}:{record.offset}"
            key, value = show.in_line(record.key or ""), bytes(record.value).decode()
            show.out.line((place, "dim"), " ", (key, "bold"), " ", value)
    else:
        for record in records:
            place = f"{record.topic}:{record.partition}:{record.offset}"
            print(
                place,
                record.time,
                show.in_line(record.key) if record.key is not None else "-",
                bytes(record.value).decode(),
                sep="\t",
            )
