"""`onward task`: runs a task of an app, or lists its tasks and their runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from onward import load, stores
from onward import run as running
from onward.app import App
from onward.cli import opened, options, show
from onward.cli.progress import log_lines
from onward.cli.show import Column
from onward.client import Client
from onward.clock import SystemClock
from onward.config import Config, assigned
from onward.declaration import spec_of
from onward.errors import OnwardError, Refused, StoreNotFound
from onward.exit import leave
from onward.failure import kind_of, message_of
from onward.loop import Calls
from onward.prints import to_stderr
from onward.resource import Resources
from onward.task import Task, task_of
from onward.task_run import TaskRun, run_task
from onward.units import instant_text

RECENT = 20
"""Runs in a list, unless said."""


def task(
    app: Annotated[str, typer.Argument(metavar="APP", help="Whose task it is.", autocompletion=options.installed)],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The task; without it, tasks and runs are listed.", show_default=False),
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARG=VALUE]...", help="Its arguments; text is converted.", show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A setting; may be repeated.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many runs are listed.")] = RECENT,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Run a task of an app; without NAME, list its tasks and their newest runs."""
    config = Config.read()
    found = load.app(app)
    url = config.store(store)
    if name is None:
        _list(found, url, limit, json=json)
        return
    chosen = task_of(found, name)
    given = _given(chosen, arguments or ())
    settings = config.settings(found, assigned(set_ or (), [found])[found.name])
    ready = chosen.arguments(chosen.parameters(found), given)
    log_lines(config.log_level())
    found.configure(settings)
    with running.Signals() as signals:
        run, error = asyncio.run(_run(found, chosen, ready, settings, url, config.user(), signals))
    if json:
        show.document(_told(run))
    elif error is None and run.result is not None:
        result = msgspec.json.decode(run.result)
        print(result if isinstance(result, str) else run.result.decode())
    if signals.heard is not None and run.outcome == "stopped":
        leave(128 + signals.heard)
    if error is not None:
        raise OnwardError(f"{run.error}\ntask {chosen.name} failed: {kind_of(error)}: {message_of(error)}") from error
    if not json:
        show.note(f"task {chosen.name} is done, run {run.id}")


async def _run(
    app: App, task: Task, arguments: dict[str, Any], settings: Any, url: str, by: str, signals: running.Signals
) -> tuple[TaskRun, BaseException | None]:
    """The run as it was kept, and how it failed. Whatever the function prints goes to standard error."""
    loop = asyncio.get_running_loop()
    async with stores.writing(url) as log:
        await log.declare(spec_of(app))
        resources = Resources(app.resources, settings)
        client = Client.over(app, log, Calls(loop), awaited=task.handler.is_async, by=by, clock=SystemClock())
        work = asyncio.ensure_future(
            run_task(
                log, task, arguments,
                resources=resources, client=client, by=by, clock=SystemClock(), progress=_progress,
            )
        )  # fmt: skip
        # A plain def cannot be stopped: it may go on to its end, and a second signal ends it with the process.
        stop = work.cancel if task.handler.is_async else lambda: show.note("it goes on to its end; once more ends it")
        signals.on_first(lambda: loop.call_soon_threadsafe(stop))
        error: BaseException | None = None
        try:
            with to_stderr():
                await work
        except (Exception, asyncio.CancelledError) as failed:
            error = failed
        await resources.close()
        async with opened.looking(url) as books:
            return (await books.runs(task.name, 1))[0], error


def _progress(done: int, total: int | None = None) -> None:
    show.note(f"{done}" if total is None else f"{done} of {total}")


def _given(task: Task, texts: Any) -> dict[str, str]:
    given = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Refused(f"{text!r} is no argument of task {task.name}; write ARG=VALUE")
        if name in given:
            raise Refused(f"argument {name} of task {task.name} is given twice")
        given[name] = value
    return given


def _list(app: App, url: str, limit: int, *, json: bool) -> None:
    async def work() -> list[TaskRun]:
        try:
            async with opened.looking(url) as books:
                ours = [run for name in app.tasks for run in await books.runs(name, limit)]
                return sorted(ours, key=lambda run: -run.id)[:limit]
        except StoreNotFound:
            return []

    runs = asyncio.run(work())
    spec = spec_of(app)
    if json:
        tasks = [{"name": task.name, "takes": list(task.takes)} for task in spec.tasks]
        show.document({"app": app.name, "tasks": tasks, "runs": [_told(run) for run in runs]})
        return
    if not spec.tasks:
        show.note(f"app {app.name} has no tasks")
        return
    rows = [[task.name.partition(".")[2], ", ".join(task.takes) or "-"] for task in spec.tasks]
    show.facts(show.table("", [Column("task"), Column("takes")], rows))
    if runs:
        show.facts(show.table("Runs:", _COLUMNS, [_row(run) for run in runs]))


_COLUMNS = [
    Column("run", number=True), Column("task"), Column("started"), Column("seconds", number=True), Column("by"),
    Column("outcome"), Column("arguments"), Column("result or error"),
]  # fmt: skip


def _row(run: TaskRun) -> list[str]:
    took = "-" if run.ended is None else f"{run.ended - run.started:.1f}"
    came = run.error.partition("\n")[0] or (run.result or b"-").decode()
    return [
        f"{run.id}", run.task.partition(".")[2], instant_text(run.started)[:19], took, run.by, run.state,
        run.arguments.decode(), came[:100],
    ]  # fmt: skip


def _told(run: TaskRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "task": run.task,
        "by": run.by,
        "started": instant_text(run.started),
        "ended": None if run.ended is None else instant_text(run.ended),
        "arguments": msgspec.Raw(run.arguments),
        "outcome": run.state,
        "error": run.error,
        "result": None if run.result is None else msgspec.Raw(run.result),
        "output": run.output,
    }
