"""`onward status`: sources, stages and topics in counts, and what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from onward.cli import opened, options, show
from onward.cli.show import Column, table
from onward.config import Config
from onward.errors import AppNotFound, StoreAway, StoreNotFound
from onward.log import AppSpec, Survey
from onward.status import EMPTY, AppStatus, Status
from onward.status import status as status_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

INTERVAL = 1.0


def status(
    apps: options.Apps = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until interrupted.")] = False,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show sources, stages and topics: counts, rates, and what is wrong."""
    url = Config.read().store(store)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_status(url, apps or [], watch=watch, json=json))


async def _status(url: str, names: list[str], *, watch: bool, json: bool) -> None:
    live = _live() if watch and not json and show.out.is_terminal else None
    async with contextlib.AsyncExitStack() as stack:
        books = None
        try:
            books = await stack.enter_async_context(opened.looking(url))
        except StoreNotFound as error:
            if not names:
                raise
            show.note(str(error))
        if live is not None:
            stack.enter_context(live)
        while True:
            try:
                survey = EMPTY if books is None else await books.survey()
            except StoreAway as error:
                if not watch:
                    raise
                show.note(str(error))  # and look again
            else:
                made = status_of(url, survey, chosen(survey, names))
                if live is not None:
                    live.update(drawn(made), refresh=True)
                elif json:
                    show.line(made) if watch else show.document(made)
                else:
                    show.facts(drawn(made))
            if not watch:
                return
            sys.stdout.flush()
            await asyncio.sleep(INTERVAL)


def _live() -> Live:
    from rich.live import Live

    return Live(console=show.out.console, auto_refresh=False)


def chosen(survey: Survey, names: list[str]) -> list[AppSpec]:
    """The apps that were named, in that order, as the store knows them, else as their code says; without names all
    that the store knows.

    Raises:
        AppNotFound: neither knows a name.
    """
    known = {app.name: app for app in survey.apps}
    if not names:
        return list(known.values())
    return [known.get(name) or _by_code(name, known) for name in names]


def _by_code(name: str, known: Mapping[str, AppSpec]) -> AppSpec:
    from onward import load  # it takes longer than all the rest
    from onward.declaration import spec_of

    try:
        declared = spec_of(load.app(name))
    except AppNotFound as error:
        raise AppNotFound(f"{error}; the store knows {', '.join(known) or 'no app'}") from error
    return known.get(declared.name, declared)


def drawn(status: Status) -> RenderableType:
    """The tables of a status."""
    parts: list[RenderableType] = []
    for app in status.apps:
        parts += _app(app)
    return show.stacked(parts) if parts else f"{status.store} knows no app yet"


_SOURCES = [
    Column("source"), Column("emitted", number=True), Column("last run"), Column("next run"), Column("cursor"),
    Column("state"),
]  # fmt: skip
_COUNTS = ("records", "done", "outstanding", "retrying", "dead", "waiting", "running", "behind", "emitted", "dropped")
_SELDOM = frozenset(["retrying", "dead", "waiting", "running", "behind", "dropped"])
"""Counts that a person is shown only where there are any."""
_REPLAYED = ("offsets", "passed", "done", "failed", "retrying", "behind", "emitted")
_TOPICS = [Column("topic"), *(Column(name, number=True) for name in ("records", "partitions", "bytes"))]


def _app(app: AppStatus) -> list[RenderableType]:
    made: list[RenderableType] = []
    if app.sources:
        rows = [
            [one.name, f"{one.emitted}", _time(one.last_run), _time(one.next_run), _cut(one.cursor), one.state]
            for one in app.sources
        ]
        made.append(table("", _SOURCES, rows))
    if app.stages:
        counts = [count for count in _COUNTS if _shown(app, count)]
        columns = [Column("stage"), *(Column(count, number=True) for count in [*counts, "per second"]), Column("state")]
        stages = [
            [one.name, *(f"{getattr(one, count)}" for count in counts), f"{one.per_second:.1f}", one.state]
            for one in app.stages
        ]
        made.append(table("", columns, stages))
    if app.replays:
        rows = [
            [str(one.number), one.stage, *(f"{getattr(one, count)}" for count in _REPLAYED), one.by, one.state]
            for one in app.replays
        ]
        columns = [Column("replay", number=True), Column("stage"), *(Column(name, number=True) for name in _REPLAYED)]
        made.append(table("", [*columns, Column("by"), Column("state")], rows))
    if app.topics:
        topics = [[one.name, f"{one.records}", f"{one.partitions}", f"{one.bytes}"] for one in app.topics]
        made.append(table("", _TOPICS, topics))
    return made


def _shown(app: AppStatus, count: str) -> bool:
    return not show.out.is_terminal or count not in _SELDOM or any(getattr(one, count) for one in app.stages)


def _time(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else "-"


def _cut(cursor: object) -> str:
    text = "-" if cursor is None else str(cursor)
    return text if len(text) <= 40 else f"{text[:37]}..."
