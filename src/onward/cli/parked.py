"""`onward parked`: records that were set aside, and what is to become of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

import msgspec
import typer

from onward.cli import opened, options, show
from onward.cli.show import Column
from onward.config import Config
from onward.errors import Refused
from onward.exit import leave
from onward.log import Books
from onward.names import full_name
from onward.parked import Asked, Choice, Found, ask, ask_edit, chosen
from onward.record import Position
from onward.survey import Fate
from onward.units import instant_text

T = TypeVar("T")

program = typer.Typer(help="Show, retry, edit or drop records that were set aside.", no_args_is_help=True)

SCREEN = 1_000
"""Records in a table, unless said."""

ANSWER = 5.0
"""Seconds that the answer of a living worker is waited for."""


class StateName(StrEnum):
    """What a parked record is."""

    retrying = "retrying"
    dead = "dead"
    waiting = "waiting"
    running = "running"
    behind = "behind"


PositionArgument = Annotated[
    str | None,
    typer.Argument(metavar="[POSITION]", help="Only this record: TOPIC:PARTITION:OFFSET.", show_default=False),
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
    position: PositionArgument = None,
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
    said = Choice(stage, key, state and state.value, error, reason, _position(position))

    async def work(books: Books) -> None:
        rows = []
        most = limit if limit or json else SCREEN
        async for found in chosen(books, await _known(books, said), most):
            if json:
                show.line(found.told())
            else:
                rows.append(_row(found))
        if rows:
            show.facts(show.table("", _COLUMNS, rows))
            if len(rows) == most != limit:
                show.note(f"the first {most}; --limit shows more")
        elif not json:
            show.note("no parked record matches" if said != Choice() else "nothing is parked")

    _with_books(store, work)


@program.command("show")
def show_(
    position: PositionArgument = None,
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
    said = Choice(stage, key, state and state.value, error, reason, _position(position))

    async def work(books: Books) -> None:
        records = []
        async for found in chosen(books, await _known(books, said), limit):
            if json:
                records.append(found.whole(await fate_of(books, found)))
            else:
                print(whole(found, await fate_of(books, found)))
        if json:
            show.document({"records": records})

    _with_books(store, work)


@program.command("retry")
def retry(
    position: PositionArgument = None,
    stage: StageOption = None,
    key: KeyOption = None,
    state: StateOption = None,
    error: ErrorOption = None,
    reason: ReasonOption = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Have parked records tried again, at once and with a fresh count of attempts; those waiting for a person are
    approved by it. A worker carries it out."""
    _ask("retry", Choice(stage, key, state and state.value, error, reason, _position(position)), store, json=json)


@program.command("drop")
def drop(
    position: PositionArgument = None,
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
    said = Choice(stage, key, state and state.value, error, reason, _position(position))
    if said == Choice() and not all_:
        raise Refused("drop which? say --stage, --key, --state, --error, --reason or a POSITION, or --all")
    _ask("drop", said, store, json=json)


@program.command("edit")
def edit(
    position: PositionArgument = None,
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
    said = Choice(stage, key, state and state.value, error, reason, _position(position))
    by = Config.read().user()

    async def work(books: Books) -> bool:
        found = await _one(books, await _known(books, said))
        from onward.cli.edited import Edited, declared  # it may load the app

        new = Edited(found, declared(found, app)).text(value, file)
        if new is None:
            show.note("nothing was changed")
            return False
        asked = await ask_edit(books, found, new, by, time.time())
        answers = await _answers(books, [asked])
        _say("edit", [asked], answers, json=json)
        return answers.get(asked.id, "").startswith("0 ")

    if _with_books(store, work):
        leave(1)


async def _one(books: Books, said: Choice) -> Found:
    found = [one async for one in chosen(books, said, 2)]
    if not found:
        raise Refused("no parked record matches")
    if len(found) > 1:
        both = " and ".join(f"{one.topic}:{one.partition}:{one.row.offset} of stage {one.stage}" for one in found)
        raise Refused(f"one record is edited at a time, and {both} match; name one by its POSITION, or say --stage")
    return found[0]


def _ask(action: Literal["retry", "drop"], said: Choice, store: str | None, *, json: bool) -> None:
    by = Config.read().user()

    async def work(books: Books) -> None:
        asked = await ask(books, await _known(books, said), action, by, time.time())
        answers = await _answers(books, asked)
        _say(action, asked, answers, json=json)

    _with_books(store, work)


def _say(action: str, asked: Sequence[Asked], answers: dict[int, str], *, json: bool) -> None:
    if json:
        told = [{**msgspec.structs.asdict(one), "answer": answers.get(one.id)} for one in asked]
        show.document({"action": action, "requests": told})
        return
    for one in asked:
        answer = answers.get(one.id, f"{one.records} asked for; a worker that runs it carries it out")
        print(f"{one.stage} partition {one.partition}: {answer}")
    if not asked:
        show.note("no parked record matches")


async def _answers(books: Books, asked: Sequence[Asked]) -> dict[int, str]:
    """What came of them, as far as workers live that carry them out and do so soon."""
    ids = [one.id for one in asked]
    live = {(held.stage, held.partition) for held in (await books.survey()).leases if held.live}
    waited = [one.id for one in asked if (one.stage, one.partition) in live]
    end = time.monotonic() + ANSWER
    while True:
        answers = dict(await books.answers(ids))
        if all(id_ in answers for id_ in waited) or time.monotonic() > end:
            return answers
        await asyncio.sleep(0.05)


async def _known(books: Books, said: Choice) -> Choice:
    """With the stage's full name."""
    if said.stage is None:
        return said
    stages = {one.stage for one in (await books.survey()).stages}
    return msgspec.structs.replace(said, stage=full_name("stage", said.stage, stages))


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    if (found := Position.parse(text)) is None:
        raise Refused(f"{text!r} is no position; write TOPIC:PARTITION:OFFSET, or name a key by --key")
    return found


def _with_books(store: str | None, work: Callable[[Books], Awaitable[T]]) -> T:
    async def looked() -> T:
        async with opened.looking(Config.read().store(store)) as books:
            return await work(books)

    return asyncio.run(looked())


_COLUMNS = [
    Column("stage"), Column("position"), Column("key"), Column("state"), Column("attempts", number=True),
    Column("since"), Column("due"), Column("error or reason"),
]  # fmt: skip


def _row(found: Found) -> list[str]:
    told = found.told()
    why = (found.row.reason or found.row.error).partition("\n")[0]
    return [
        found.stage, f"{found.topic}:{found.partition}:{found.row.offset}", found.row.key or "-", found.row.state,
        f"{found.row.attempts}", told["since"][:19], (told["due"] or "-")[:19], why[:100],
    ]  # fmt: skip


async def fate_of(books: Books, found: Found) -> Fate:
    return await books.fate(found.stage, found.partition, found.row.offset)


def whole(found: Found, fate: Fate) -> str:
    told = found.told()
    origin, key, when, headers, value = msgspec.json.decode(found.row.entry)
    lines = [
        f"{found.topic}:{found.partition}:{found.row.offset} of stage {found.stage}: {found.row.state}",
        f"  key       {show.in_line(key) if key is not None else '-'}",
        f"  time      {when}",
        f"  origin    {origin or '-'}",
        f"  headers   {msgspec.json.encode(headers or {}).decode()}",
        f"  value     {msgspec.json.encode(value).decode()}",
        f"  since     {told['since']}",
    ]
    if told["due"]:
        lines.append(f"  due       {told['due']}")
    if found.row.reason:
        lines.append(f"  reason    {show.in_line(found.row.reason)}")
    if found.row.approved:
        lines.append("  approved  yes")
    for one in found.attempts:
        what = f"{one.error}: {show.in_line(one.message)}" if one.error else "passed"
        lines.append(f"  attempt {one.number} {instant_text(one.at)} after {one.took:.3f} s: {what}")
        lines += [f"    {line}" for line in one.traceback.splitlines()]
    for request, done, result in fate.requests:
        lines.append(f"  {request.action} asked for by {request.by}, carried out {instant_text(done)}: {result}")
        if request.value is not None:
            lines.append("    the record as it came stands in its topic; `onward trace` shows what was changed")
    return "\n".join(lines)
