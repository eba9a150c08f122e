"""`onward run`: a worker, or several, for some apps."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from onward import load, stores
from onward import run as running
from onward.app import App
from onward.cli import dryrun as dry
from onward.cli import options, show
from onward.cli.metrics import Metrics
from onward.cli.progress import Progress, log_lines
from onward.cli.show import Column
from onward.config import Config, assigned
from onward.declaration import spec_of
from onward.errors import Refused
from onward.events import Observer
from onward.exit import STOPPING, leave
from onward.health import Address, address, serving
from onward.log import Survey
from onward.observers.logging import LoggingObserver
from onward.parent import Parent
from onward.plan import Plan
from onward.run import Ended
from onward.status import StageStatus, status
from onward.url import shown


def run(
    apps: options.Apps = None,
    once: Annotated[bool, typer.Option("--once", help="End when all is delivered that can be.")] = False,
    processes: Annotated[int, typer.Option(metavar="N", min=1, help="How many processes do the work.")] = 1,
    stage: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="Run only this stage or source; may be repeated.", show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A setting, or APP.FIELD=VALUE of one app; may be repeated.",
            show_default=False,
        ),
    ] = None,
    memory: options.Memory = "256MB",
    patience: options.Patience = "60s",
    grace: options.Grace = "10s",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what --once would do; change nothing.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="With --dry-run: at most N records per source and stage.", show_default=False
        ),
    ] = None,
    health: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Tell there over HTTP whether it is well.", show_default=False),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus there.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --once or --dry-run: print JSON.")] = False,
    store: options.Store = None,
    failed: options.Failed = False,
    child: Annotated[int | None, typer.Option("--child", hidden=True)] = None,
) -> None:
    """Run apps: their sources and stages, until stopped or, with --once, until all is delivered."""
    if not apps:
        raise Refused("which app? name one, as in `onward run APP`")
    config = Config.read()
    found = load.apps(apps)
    given = assigned(set_ or (), found)
    settings = {app.name: config.settings(app, given[app.name]) for app in found}
    selected = running.parts(stage or (), found)
    follow = bool(child) and once
    if follow:
        selected = tuple(name for app in found for name in app.stages if not selected or name in selected)
    if limit is not None and not dry_run:
        raise Refused("--limit goes with --dry-run; a run that changes something works on all there is")
    if json and not (once or dry_run):
        raise Refused("--json goes with --once or --dry-run; a service prints nothing, `onward status --json` shows it")
    if dry_run and metrics is not None:
        raise Refused("a dry run is no traffic, and has no metrics; leave --metrics out")
    if dry_run and processes > 1:
        raise Refused("a dry run is one process; leave --processes out")
    plan = Plan(
        stages=selected,
        limit=limit,
        once=once,
        memory=options.size("--memory", memory),
        patience=options.duration("--patience", patience),
        grace=options.duration("--grace", grace),
        follow=follow,
    )
    log_lines(config.log_level())
    url = config.store(store)
    if dry_run:
        dry.show_run(found, url, plan, settings, json=json)
    at = None if health is None else address(health)
    told = Metrics(found, url, address(metrics)) if metrics is not None else None
    # Process number 1 has to reap what others leave behind, which a worker cannot without taking from its handlers.
    if child is None and (processes > 1 or os.getpid() == 1):
        _several(found, url, processes, at, told, once=once, json=json)
    if child is not None:
        _end_with_parent()
    if follow and not selected:
        leave(0)
    drawing = Progress(found, url) if once and child is None and show.err.is_terminal else None
    with told.of_this(served=child is None) if told is not None else contextlib.nullcontext(()) as observers:
        health_at = partial(serving, at) if at is not None and child is None else None
        ended = ran(found, url, plan, settings, drawing, health_at, observers)
    failed = failed or (once and ended.report.failed)
    if ended.report.replace and not ended.stopped:
        running.again(*["--failed"] * failed)
    if once and child is None and ended.survey is not None:
        left_over(url, found, ended.survey, json=json)
    if once and failed:
        show.failed(ended.report.why or "something failed in a process that this one has replaced")
    leave(int(failed))


def ran(
    apps: Sequence[App],
    url: str,
    plan: Plan,
    settings: dict[str, Any],
    drawing: Progress | None,
    health: running.Told | None = None,
    observers: Sequence[Observer] = (),
) -> Ended:
    """Runs them, with a drawing of it for a person, or log lines only."""
    told = [LoggingObserver(), *observers]
    if drawing is None:
        return running.run(apps, url, plan, settings, observers=told, health=health)
    with drawing:
        told.append(drawing.see)
        return running.run(apps, url, plan, settings, observers=told, watch=drawing.update, health=health)


_LEFT = ("outstanding", "retrying", "dead", "waiting", "running", "behind")


def left_over(url: str, apps: Sequence[App], survey: Survey, *, json: bool) -> None:
    """Prints what the stages of these apps have not delivered."""
    made = status(url, survey, [spec_of(app) for app in apps])
    left = [stage for app in made.apps for stage in app.stages if stage.state != "gone" and stage.left]
    if json:
        told = [{"name": stage.name, **{count: getattr(stage, count) for count in _LEFT}} for stage in left]
        show.document({"store": shown(url), "left": told})
    elif left:
        columns = [Column("stage"), *(Column(count, number=True) for count in _LEFT), Column("state")]
        show.facts(show.table("What stays:", columns, [_row(stage) for stage in left]))
    else:
        show.note("all is delivered")


def _row(stage: StageStatus) -> list[str]:
    state = stage.state if stage.state.startswith(("tripped", "stopped", "waiting", "paused")) else ""
    return [stage.name, *(f"{getattr(stage, count)}" for count in _LEFT), state]


def _several(
    apps: Sequence[App],
    url: str,
    count: int,
    health: Address | None,
    metrics: Metrics | None,
    *,
    once: bool,
    json: bool,
) -> None:
    """Leads children that do the work, then ends."""

    def command(number: int) -> list[str]:
        return running.command("--child", str(number))

    parent = Parent(command, count, once=once, observers=[LoggingObserver()])
    with contextlib.ExitStack() as stack:
        if health is not None:
            stack.enter_context(serving(health, parent.health))
        if metrics is not None:
            stack.enter_context(metrics.of_children())
        code = parent.run()
    if once:
        left_over(url, apps, asyncio.run(_survey(url)), json=json)
    if once and code == 1:
        show.failed("a process has failed, and has said above why")
    leave(code)


async def _survey(url: str) -> Survey:
    async with stores.looking(url) as books:
        return await books.survey()


def _end_with_parent() -> None:
    """The pipe on standard input ends when the parent is gone, however it went."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), STOPPING[1])

    threading.Thread(target=wait, name="onward-parent", daemon=True).start()
