"""`onward pause` and `onward resume`: a stage or source stops for as long as somebody says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from onward import stores
from onward.cli import options, show
from onward.config import Config
from onward.log import Books, Survey
from onward.names import full_name
from onward.survey import Paused
from onward.units import instant_text

Name = Annotated[
    str,
    typer.Argument(
        metavar="STAGE",
        help="A stage or source; in short where only one fits.",
        show_default=False,
        autocompletion=options.stages,
    ),
]


def pause(name: Name, json: options.Json = False, store: options.Store = None) -> None:
    """Pause a stage or source, over all workers and restarts: what is in hand is finished, nothing more is taken."""
    by = Config.read().user()

    async def work(books: Books) -> None:
        stage, survey = await _known(books, name)
        before = survey.paused.get(stage)
        await books.pause(stage, by, time.time())
        now = (await books.survey()).paused[stage]
        told = f"is paused {_told(now)}" if before else "is paused; what is in hand is finished, then nothing is taken"
        _show(stage, now, told, json=json)

    _with_books(store, work)


def resume(name: Name, json: options.Json = False, store: options.Store = None) -> None:
    """Let a paused stage or source go on."""

    async def work(books: Books) -> None:
        stage, survey = await _known(books, name)
        before = survey.paused.get(stage)
        await books.resume(stage)
        _show(stage, None, f"goes on; it was paused {_told(before)}" if before else "was not paused", json=json)

    _with_books(store, work)


def _show(stage: str, paused: Paused | None, told: str, *, json: bool) -> None:
    if json:
        by, since = (paused.by, instant_text(paused.since)) if paused else (None, None)
        show.document({"stage": stage, "paused": paused is not None, "by": by, "since": since})
    else:
        print(f"{stage} {told}")


def _told(paused: Paused) -> str:
    return f"by {paused.by} since {instant_text(paused.since)}"


async def _known(books: Books, name: str) -> tuple[str, Survey]:
    survey = await books.survey(0.0)
    declared = {part.name for app in survey.apps for part in (*app.stages, *app.sources)}
    known = {*declared, *(one.stage for one in survey.stages), *survey.sources}
    return full_name("stage or source", name, known), survey


def _with_books(store: str | None, work: Callable[[Books], Awaitable[None]]) -> None:
    async def opened() -> None:
        async with stores.looking(Config.read().store(store)) as books:
            await work(books)

    asyncio.run(opened())
