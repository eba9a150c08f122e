"""The command of a loader: it runs under the environment that its operators know, and describes its entities."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from onward import App, OnwardError
from onward.connect.nats import open_nats
from onward.connect.objects import Folder
from onward.errors import Refused
from onward.events import DatabaseAbsent, Event, Failed, SourceFailed, StoreAbsent, Tripped, Trouble
from onward.service import Service
from onward.settings import masked

from .diagram import diagram
from .dryrun import DryRun
from .errors import FileError
from .metrics import Exposition, Watch
from .model import Entity
from .profile import profile
from .report import formatter
from .settings import Settings, given
from .specification import specification
from .turn import Turn

PATIENCE = 60.0
"""Seconds for which a pass that is the only one waits for a retry."""


def commands(
    app: App, entities: Sequence[Entity], watching: list[Watch], *, schema: str, transactions: str = ""
) -> typer.Typer:
    """`onward NAME`, with `profile`, `diagram` and `specification` below it.

    Args:
        watching: who is told of deliveries and messages; metrics are, where the command runs the loader.
    """
    made = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @made.callback(invoke_without_command=True)
    def run(
        context: typer.Context,
        service: Annotated[bool | None, typer.Option("--service/--no-service", help="RUN_AS_SERVICE")] = None,
        min_sleep: Annotated[int | None, typer.Option("--min_sleep", "--min-sleep", help="MIN_SLEEP, seconds")] = None,
        max_sleep: Annotated[int | None, typer.Option("--max_sleep", "--max-sleep", help="MAX_SLEEP, seconds")] = None,
        dry_run: Annotated[bool | None, typer.Option("--dry-run/--no-dry-run", help="DRY_RUN")] = None,
        notifications: Annotated[
            bool | None, typer.Option("--notifications/--no-notifications", help="NOTIFICATIONS")
        ] = None,
        notify_empty: Annotated[
            bool | None,
            typer.Option("--notify_empty/--no-notify_empty", "--notify-empty/--no-notify-empty", help="NOTIFY_EMPTY"),
        ] = None,
        nats: Annotated[str | None, typer.Option(help="NATS")] = None,
        nats_stream: Annotated[str | None, typer.Option("--nats_stream", "--nats-stream", help="NATS_STREAM")] = None,
        source: Annotated[str | None, typer.Option(help="SOURCE")] = None,
        target: Annotated[str | None, typer.Option(help="TARGET")] = None,
        metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="METRICS")] = None,
        log_level: Annotated[str | None, typer.Option("--log_level", "--log-level", help="LOG_LEVEL")] = None,
        health: Annotated[
            str | None, typer.Option(metavar="HOST:PORT", help="Tell there over HTTP whether it is well.")
        ] = None,
        grace: Annotated[float, typer.Option(help="Seconds that a delivery in hand may take at a stop.", min=0)] = 10.0,
        store: Annotated[str | None, typer.Option(metavar="URL", help="The store, as `onward run` has it.")] = None,
    ) -> None:
        """Deliver the files of a replicated database into a database with history.

        Each option but the last three is the environment variable that its help names, and wins over it.
        """
        if context.invoked_subcommand is not None:
            return
        settings = given(
            run_as_service=service,
            min_sleep=min_sleep,
            max_sleep=max_sleep,
            dry_run=dry_run,
            notifications=notifications,
            notify_empty=notify_empty,
            nats=nats,
            nats_stream=nats_stream,
            source=source,
            target=target,
            metrics=metrics,
            log_level=log_level,
        )
        log = logging.getLogger(f"onward.{app.name}")
        with (
            Service(app, given=settings, store=store, grace=grace, observers=[_told(log)], health=health) as running,
            Exposition(running.settings.metrics, log) as exposition,
        ):
            _lines(log, running.settings.log_level)
            metrics = exposition.of(app.name, entities, running.look)
            if metrics is not None:
                running.tell(metrics)
                watching.append(metrics.see)
            place, target = running.settings.source.open(), running.settings.target
            if running.settings.nats:
                open_nats(running.settings.nats)  # asks nobody; what is not installed is said now
            if isinstance(place, Folder) and not Path(place.where).is_dir():
                log.warning("%s is not there yet.", place.where)
            turn = Turn(target, schema, app.name, log)

            def drain() -> None:
                with turn.held(running.pause) as ours:
                    if ours:
                        running.drain(patience=0.0 if running.settings.run_as_service else PATIENCE)

            work: Callable[[], object] = drain
            if running.settings.dry_run:
                would = metrics.would if metrics is not None else None
                dry = DryRun(
                    app.name, entities, place, target, log, schema=schema, transactions=transactions, would=would
                )
                work = dry.look

            def one_pass() -> None:
                exposition.serve()
                work()

            running.leave(serve(running, one_pass, log))

    @made.command("profile")
    def profile_(
        file: Annotated[Path, typer.Argument(help="A CSV file, gzipped if its name ends in .gz.")],
        name: Annotated[str, typer.Option(help="What the entity is to be called.")] = "",
        header: Annotated[bool | None, typer.Option("--header/--no-header", help="Whether line 1 has names.")] = None,
        op: Annotated[bool | None, typer.Option("--op/--no-op", help="Whether rows begin with I, U or D.")] = None,
        null_token: Annotated[str, typer.Option(help="What stands for null.")] = "",
    ) -> None:
        """Look through a file: rows, nulls, keys, types, and an entity to declare it by."""
        try:
            print(profile(file, name=name, header=header, op=op, null_token=null_token), end="")
        except OSError as error:
            raise Refused(f"{file} cannot be read: {error.strerror}") from None
        except FileError as error:
            raise OnwardError(str(error)) from None

    @made.command("diagram")
    def diagram_() -> None:
        """Draw the entities as mermaid."""
        print(diagram(entities), end="")

    @made.command("specification")
    def specification_() -> None:
        """Describe the entities, their tables and the messages as markdown."""
        print(specification(app.name, entities), end="")

    return made


def serve(
    running: Service,
    one_pass: Callable[[], object],
    log: logging.Logger,
    pick: Callable[[int, int], int] = random.randint,
) -> int:
    """Passes with pauses, or one pass. Gives the exit code: 1 if a single pass failed.

    Args:
        pick: draws the seconds of a pause, both bounds included.
    """
    settings: Settings = running.settings
    log.info("Source: %s.", settings.source)
    try:
        log.info("Target: %s (%s).", settings.target, settings.target.version())
    except OnwardError as error:
        log.error("%s", error)
    if settings.notifications:
        log.info("NATS: %s.", settings.nats or "empty, so change messages stay in the topic `changes`")
    if settings.run_as_service:
        log.info("Running as a service, with %d to %d seconds between passes.", settings.min_sleep, settings.max_sleep)
    one_pass()
    while settings.run_as_service and running.pause(pick(settings.min_sleep, settings.max_sleep)):
        one_pass()
    log.info("Terminating...")
    return int(running.failed and not settings.run_as_service)


def _lines(log: logging.Logger, level: str) -> None:
    """Log lines go to standard output, as they always did."""
    log.handlers[:] = [logging.StreamHandler(sys.stdout)]
    log.handlers[0].setFormatter(formatter())
    log.setLevel(level.upper())
    log.propagate = False


def _told(log: logging.Logger) -> Callable[[Event], None]:
    """What goes wrong, for the same eyes."""

    def tell(event: Event) -> None:
        match event:
            case Failed(state="dead"):
                log.error("%s is stopped: %s; mend it, then `onward parked retry`", event.key, masked(event.reason))
            case Failed():
                log.warning("%s is %s: %s", event.key, event.state, masked(event.reason))
            case SourceFailed():
                log.error("the source failed: %s", masked(f"{type(event.error).__name__}: {event.error}"))
            case Tripped():
                log.error("%s is tripped: %s", event.stage, masked(event.reason))
            case Trouble():
                log.error("%s: %s", event.name, masked(event.what))
            case StoreAbsent():
                log.error("the store is away: %s", masked(event.what))
            case DatabaseAbsent():
                log.error("the target is away: %s", masked(event.what))

    return tell
