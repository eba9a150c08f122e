"""`onward review`: what waits for a person, and the decision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

import msgspec
import typer

from onward.cli import opened, options, show
from onward.cli.aside import answers_of, fate_of, whole
from onward.cli.show import Column
from onward.config import Config
from onward.decide import decide as ask
from onward.decide import reviews_of, told, waiting
from onward.errors import NotThere
from onward.log import Books, StageSpec
from onward.names import full_name, key_or_place
from onward.parked import Found

program = typer.Typer(help="Show what waits in reviews, and decide on it.", no_args_is_help=True)

SCREEN = 1_000

WhichOption = Annotated[
    str | None,
    typer.Argument(metavar="[POSITION|KEY]", help="Only this record, or those with this key.", show_default=False),
]
StageOption = Annotated[
    str | None,
    typer.Option("--stage", metavar="S", help="Of this review; in short where only one fits.", show_default=False),
]
WhichArgument = Annotated[str, typer.Argument(metavar="POSITION|KEY", help="This record, or those with this key.")]
Reviews = dict[str, StageSpec]
Seen = AsyncIterator[Found]


@program.command("list")
def list_(
    which: WhichOption = None,
    stage: StageOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many.", show_default=False)
    ] = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """List what waits for a decision, a line each."""

    async def work(books: Books, reviews: Reviews, seen: Seen) -> None:
        rows: list[list[str]] = []
        count, most = 0, limit if limit or json else SCREEN
        async for found in seen:
            if count == most:
                break
            line = told(found, reviews[found.stage].choices)
            count += 1
            if json:
                show.line(line)
            else:
                position = f"{found.topic}:{found.partition}:{found.row.offset}"
                cells = [found.stage, position, found.row.key or "-", line["since"][:19], ", ".join(line["choices"])]
                rows.append([*cells, bytes(line["value"]).decode()[:100]])
        if rows:
            show.facts(show.table("", _COLUMNS, rows))
        elif not count and which is not None:
            raise _nothing(which)
        elif not json:
            show.note("nothing waits for a decision")

    _with_books(store, which, stage, work)


@program.command("show")
def show_(
    which: WhichArgument,
    stage: StageOption = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show what waits whole: value, headers, and what went before."""

    async def work(books: Books, reviews: Reviews, seen: Seen) -> None:
        found = [one async for one in seen]
        if not found:
            raise _nothing(which)
        if json:
            records = [
                {**one.whole(await fate_of(books, one)), "choices": list(reviews[one.stage].choices)} for one in found
            ]
            show.document({"records": records})
            return
        for one in found:
            print(whole(one, await fate_of(books, one)))
            print(f"  choices   {', '.join(reviews[one.stage].choices)}")

    _with_books(store, which, stage, work)


@program.command("decide")
def decide(
    which: WhichArgument,
    choice: Annotated[str, typer.Argument(metavar="CHOICE", help="One of the review's choices.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What is to be remembered with it.")] = "",
    stage: StageOption = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Decide on what waits. A worker carries it out."""
    by = Config.read().user()

    async def work(books: Books, reviews: Reviews, seen: Seen) -> None:
        found = [one async for one in seen]
        if not found:
            raise _nothing(which)
        asked = await ask(books, reviews, found, choice, note, by, time.time())
        answers = await answers_of(books, asked)
        if json:
            requests = [{**msgspec.structs.asdict(one), "answer": answers.get(one.id or 0)} for one in asked]
            show.document({"choice": choice, "requests": requests})
            return
        for one, record in zip(asked, found, strict=True):
            position = f"{record.topic}:{record.partition}:{record.row.offset}"
            print(f"{one.stage} {position}: {answers.get(one.id or 0, 'noted; a worker that runs it carries it out')}")

    _with_books(store, which, stage, work)


def _nothing(which: str) -> NotThere:
    return NotThere(f"nothing waits for a decision as {which!r}; `onward review list` shows what does")


def _with_books(
    store: str | None,
    which: str | None,
    stage: str | None,
    work: Callable[[Books, Reviews, Seen], Awaitable[None]],
) -> None:
    """Calls `work` with what waits, as it was named."""

    async def looked() -> None:
        async with opened.looking(Config.read().store(store)) as books:
            survey = await books.survey()
            reviews = reviews_of(survey.apps)
            name = None if stage is None else full_name("review", stage, reviews)
            topics = [one.topic for one in survey.topics]
            key, place = (None, None) if which is None else key_or_place(which, topics)
            await work(books, reviews, waiting(books, reviews, key, place, name))

    asyncio.run(looked())


_COLUMNS = [
    Column("review"), Column("position"), Column("key"), Column("since"), Column("choices"), Column("value"),
]  # fmt: skip
