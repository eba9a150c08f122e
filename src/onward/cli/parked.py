"""`onward parked`: records that were set aside, and what is to become of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

import msgspec
import typer

from onward.cli import opened, options, show
from onward.cli.aside import answers_of, fate_of, whole
from onward.cli.show import Column
from onward.config import Config
from onward.decide import reviews_of
from onward.errors import NotThere, Refused
from onward.exit import leave
from onward.log import Books, StageSpec
from onward.names import full_name, key_or_place
from onward.parked import Asked, Choice, Found, ask, ask_edit, chosen

T = TypeVar("T")

program = typer.Typer(help="Show, retry, edit or drop records that were set aside.", no_args_is_help=True)

SCREEN = 1_000
"""Records in a table, unless said."""


class StateName(StrEnum):
    """What a parked record is."""

    retrying = "retrying"
    dead = "dead"
    waiting = "waiting"
    running = "running"
    behind = "behind"


WhichArgument = Annotated[
    str | None,
    typer.Argument(metavar="[POSITION|KEY]", help="Only this record, or those with this key.", show_default=False),
]
StageOption = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="S",
        help="Of this stage; in short where only one fits.",
        show_default=False,
        autocompletion=options.stages,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="K", help="With this key.", show_default=False),
]
StateOption = Annotated[
    StateName | None,
    typer.Option("--state", help="In this state.", show_default=False),
]
ErrorOption = Annotated[
    str | None,
    typer.Option("--error", metavar="TEXT", help="Whose error has this text in it.", show_default=False),
]
ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="TEXT", help="Whose reason has this text in it.", show_default=False),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="At most so many.", show_default=False),
]


@program.command("list")
def list_(
    which: WhichArgument = None,
    stage: StageOption = None,
    key: KeyOption = None,
    state: StateOption = None,
    error: ErrorOption = None,
    reason: ReasonOption = None,
    limit: LimitOption = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """List parked records, a line each."""
    said = Choice(stage, key, state and state.value, error, reason)

    async def work(books: Books) -> None:
        rows, count = [], 0
        most = limit if limit or json else SCREEN
        reviews = reviews_of((await books.survey()).apps)
        async for found in chosen(books, await _meant(books, which, said), most):
            count += 1
            if json:
                show.line(found.told())
            else:
                rows.append(_row(found, reviews))
        if rows:
            show.facts(show.table("", _COLUMNS, rows))
            if len(rows) == most != limit:
                show.note(f"the first {most}; --limit shows more")
        elif not count:
            _nothing(which, said)

    _with_books(store, work)


@program.command("show")
def show_(
    which: WhichArgument = None,
    stage: StageOption = None,
    key: KeyOption = None,
    state: StateOption = None,
    error: ErrorOption = None,
    reason: ReasonOption = None,
    limit: LimitOption = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show parked records whole: value, headers, and every attempt with its error and traceback."""
    said = Choice(stage, key, state and state.value, error, reason)

    async def work(books: Books) -> None:
        records, count = [], 0
        async for found in chosen(books, await _meant(books, which, said), limit):
            count += 1
            if json:
                records.append(found.whole(await fate_of(books, found)))
            else:
                print(whole(found, await fate_of(books, found)))
        if not count:
            _nothing(which, said)
        if json:
            show.document({"records": records})

    _with_books(store, work)


@program.command("retry")
def retry(
    which: WhichArgument = None,
    stage: StageOption = None,
    key: KeyOption = None,
    state: StateOption = None,
    error: ErrorOption = None,
    reason: ReasonOption = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Have parked records tried again, at once and with a fresh count of attempts; those that a handler
    has put on hold are approved by it; what waits in a review is left, for `onward review decide`. A worker carries it
    out."""
    _ask("retry", which, Choice(stage, key, state and state.value, error, reason), store, json=json)


@program.command("drop")
def drop(
    which: WhichArgument = None,
    stage: StageOption = None,
    key: KeyOption = None,
    state: StateOption = None,
    error: ErrorOption = None,
    reason: ReasonOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Whatever is parked.")] = False,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Give parked records up: they count as done and dropped. A worker carries it out."""
    said = Choice(stage, key, state and state.value, error, reason)
    if which is None and said == Choice() and not all_:
        raise Refused("drop which? say --stage, --key, --state, --error, --reason, a POSITION or a KEY, or --all")
    _ask("drop", which, said, store, json=json)


@program.command("edit")
def edit(
    which: WhichArgument = None,
    stage: StageOption = None,
    key: KeyOption = None,
    state: StateOption = None,
    error: ErrorOption = None,
    reason: ReasonOption = None,
    value: Annotated[
        str | None, typer.Option(metavar="JSON", help="The new value, instead of an editor.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="F", help="A file with the new value, - for standard input.", show_default=False),
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(metavar="APP", help="Whose stage it is, to check the value at once.", show_default=False),
    ] = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Give one parked record another value, in $EDITOR as JSON. A worker carries it out; the key may not change, and
    the record as it came stays in its topic. It stays parked: `onward parked retry` tries it."""
    if value is not None and file is not None:
        raise Refused("say --value or --file, not both")
    said = Choice(stage, key, state and state.value, error, reason)
    by = Config.read().user()

    async def work(books: Books) -> bool:
        found = await _one(books, which, said)
        from onward.cli.edited import Edited, declared  # it may load the app

        new = Edited(found, declared(found, app)).text(value, file)
        if new is None:
            show.note("nothing was changed")
            return False
        asked = await ask_edit(books, found, new, by, time.time())
        answers = await answers_of(books, [asked])
        _say("edit", [asked], answers, json=json)
        return answers.get(asked.id or 0, "").startswith("0 ")

    if _with_books(store, work):
        leave(1)


async def _one(books: Books, which: str | None, said: Choice) -> Found:
    found = [one async for one in chosen(books, await _meant(books, which, said), 2)]
    if not found:
        raise NotThere("no parked record matches" if which is None else f"nothing is parked as {which!r}")
    if len(found) > 1:
        both = " and ".join(f"{one.topic}:{one.partition}:{one.row.offset} of stage {one.stage}" for one in found)
        raise Refused(f"one record is edited at a time, and {both} match; name one by its POSITION, or say --stage")
    return found[0]


def _ask(action: Literal["retry", "drop"], which: str | None, said: Choice, store: str | None, *, json: bool) -> None:
    by = Config.read().user()

    async def work(books: Books) -> bool:
        reviews = reviews_of((await books.survey()).apps)
        asked = await ask(books, await _meant(books, which, said), action, by, time.time(), reviews)
        if not asked:
            _nothing(which, said)
        _say(action, asked, await answers_of(books, asked), json=json)
        for one in asked:
            if one.undecided:
                choices = ", ".join(reviews[one.stage].choices)
                show.note(
                    f"{one.stage} partition {one.partition}: {one.undecided} left, which wait for a decision: "
                    f"`onward review decide POSITION|KEY CHOICE --stage {one.stage}`; the choices are {choices}"
                )
        return bool(asked) and not any(one.records for one in asked)

    if _with_books(store, work):
        show.failed("nothing was asked for: what matches waits for a decision, by `onward review decide`")
        leave(1)


def _say(action: str, asked: Sequence[Asked], answers: dict[int, str], *, json: bool) -> None:
    if json:
        told = [{**msgspec.structs.asdict(one), "answer": answers.get(one.id or 0)} for one in asked]
        show.document({"action": action, "requests": told})
        return
    for one in asked:
        if one.id is not None:
            answer = answers.get(one.id, f"{one.records} asked for; a worker that runs it carries it out")
            print(f"{one.stage} partition {one.partition}: {answer}")


async def _meant(books: Books, which: str | None, said: Choice) -> Choice:
    """What is named by a position or key and by options, with full names."""
    survey = await books.survey()
    if said.stage is not None:
        said = msgspec.structs.replace(said, stage=full_name("stage", said.stage, {one.stage for one in survey.stages}))
    if which is None:
        return said
    key, place = key_or_place(which, [one.topic for one in survey.topics])
    if key is not None and said.key is not None:
        raise Refused(f"{which!r} is a key, as it is no position of a topic that there is; say it or --key, not both")
    return msgspec.structs.replace(said, key=said.key if key is None else key, place=place)


def _nothing(which: str | None, said: Choice) -> None:
    """Says that nothing matches: an error where it was named, not where any were asked for that fit."""
    if which is not None:
        raise NotThere(f"nothing is parked as {which!r}; `onward trace` shows where a record is")
    show.note("no parked record matches" if said != Choice() else "nothing is parked")


def _with_books(store: str | None, work: Callable[[Books], Awaitable[T]]) -> T:
    async def looked() -> T:
        async with opened.looking(Config.read().store(store)) as books:
            return await work(books)

    return asyncio.run(looked())


_COLUMNS = [
    Column("stage"), Column("position"), Column("key"), Column("state"), Column("attempts", number=True),
    Column("since"), Column("due"), Column("error or reason"),
]  # fmt: skip


def _row(found: Found, reviews: Mapping[str, StageSpec]) -> list[str]:
    told = found.told()
    why = (found.row.reason or found.row.error).partition("\n")[0]
    if found.row.state == "waiting" and (review := reviews.get(found.stage)) is not None:
        why = f"a decision: {' or '.join(review.choices)}"
    return [
        found.stage, f"{found.topic}:{found.partition}:{found.row.offset}", found.row.key or "-", found.row.state,
        f"{found.row.attempts}", told["since"][:19], (told["due"] or "-")[:19], why[:100],
    ]  # fmt: skip
