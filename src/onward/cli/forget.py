"""`onward forget`: all there is of a stage, source, topic or app goes for good."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from onward import stores
from onward.cli import options, show
from onward.config import Config
from onward.errors import Refused
from onward.forget import meant
from onward.log import Books, Forgetting, Survey
from onward.task_run import KEPT
from onward.units import counted

PAGE = 1_000


class KindName(StrEnum):
    """What is called so."""

    stage = "stage"
    source = "source"
    topic = "topic"
    app = "app"


def forget(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STAGE|TOPIC|APP",
            help="A stage, source, topic or app; in short where only one fits.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        KindName | None, typer.Option("--kind", help="What it is, where several are called so.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Delete all there is of a stage, topic or app, for good; refused while something living uses it."""
    asyncio.run(_forget(Config.read().store(store), name, kind.value if kind else None, yes=yes, json=json))


async def _forget(url: str, name: str, kind: object, *, yes: bool, json: bool) -> None:
    async with stores.looking(url) as books:
        survey = await books.survey(0.0)
        what = meant(survey, name, kind)  # type: ignore[arg-type]
        told = [*_told(survey, what), *[line async for line in _kept(books, survey, what)]]
        if not yes:
            for line in told:
                show.note(line)
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise Refused("nothing was forgotten: say --yes where nobody can be asked")
            typer.confirm("Forget all of it, for good?", abort=True, err=True)
        within = await books.forget(what)
    if json:
        show.document({**msgspec.structs.asdict(what), "within": list(within)})
    else:
        for line in told:
            print(f"forgot {line}")
    for stage in within:
        show.note(
            f"{stage} has committed within {_target(survey, stage)}, which keeps its rows in onward_cursor and "
            f"onward_ledger; delete them there (WHERE stage = '{stage}') before a stage of this name commits there anew"
        )


def _told(survey: Survey, what: Forgetting) -> Iterator[str]:
    for stage in what.stages:
        facts = [one for one in survey.stages if one.stage == stage]
        done, parked = sum(one.totals.done for one in facts), sum(sum(one.parked.values()) for one in facts)
        outstanding = sum(one.end - one.begins for one in facts) - done - parked
        yield f"stage {stage}: {counted(done, 'record')} done, {parked} parked, {outstanding} outstanding"
    for source in what.sources:
        emitted = sum(survey.sources[source].emitted.values()) if source in survey.sources else 0
        yield f"source {source}: its cursor; it has brought {counted(emitted, 'record')}"
    for facts in survey.topics:
        if facts.topic in what.topics:
            yield f"topic {facts.topic}: {counted(facts.records, 'record')}, {counted(facts.bytes, 'byte')}"


async def _kept(books: Books, survey: Survey, what: Forgetting) -> AsyncIterator[str]:
    """What goes with an app: its documents, the runs of its tasks, and its declaration."""
    for app in survey.apps:
        if app.name in what.apps:
            for table in app.tables:
                documents = await _documents(books, table.name)
                yield f"table {table.name}: {counted(documents, 'document')}, and the history of all that it ever had"
            for task in app.tasks:
                runs = len(await books.runs(task.name, KEPT))
                yield f"task {task.name}: {counted(runs, 'recorded run')}"
            yield f"app {app.name}: its declaration"


async def _documents(books: Books, table: str) -> int:
    count, after = 0, None
    while page := await books.documents(table, after, PAGE):
        count, after = count + len(page), page[-1].key
    return count


def _target(survey: Survey, stage: str) -> str:
    declared = {one.name: one.within for app in survey.apps for one in app.stages}
    return declared.get(stage) or "another database"
