"""The command `onward`: its commands, and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import onward
from onward.cli import (
    audit,
    backup,
    config,
    demo,
    doctor,
    forget,
    graph,
    move,
    new,
    own,
    parked,
    pause,
    put,
    read,
    repartition,
    replay,
    review,
    run,
    status,
    table,
    task,
    trace,
)
from onward.cli.show import fail
from onward.errors import OnwardError

# Where nobody is looking, usage errors and help are plain text.
_looked_at = sys.stdout.isatty() and sys.stderr.isatty()

program = typer.Typer(
    name="onward",
    cls=own.Commands,
    help="Delivers data: durably, in order per key, once in effect, and can say where every record is.",
    no_args_is_help=True,
    rich_markup_mode="rich" if _looked_at else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
program.command("demo")(demo.demo)
program.command("run")(run.run)
program.command("status")(status.status)
program.command("graph")(graph.graph)
program.command("read")(read.read)
program.command("put")(put.put)
program.command("trace")(trace.trace)
program.add_typer(parked.program, name="parked")
program.add_typer(review.program, name="review")
program.add_typer(replay.program, name="replay")
program.command("audit")(audit.audit)
program.command("task")(task.task)
program.command("table")(table.table)
program.command("pause")(pause.pause)
program.command("resume")(pause.resume)
program.command("move")(move.move)
program.command("forget")(forget.forget)
program.command("backup")(backup.backup)
program.command("repartition")(repartition.repartition)
program.command("doctor")(doctor.doctor)
program.command("config")(config.config)
program.command("new")(new.new)


def _version(asked: bool) -> None:
    if asked:
        print(f"onward {onward.__version__}")
        raise typer.Exit


@program.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line; an error of the user's is told in words, any other with its traceback."""
    try:
        program(prog_name="onward")
    except OnwardError as error:
        fail(error)
