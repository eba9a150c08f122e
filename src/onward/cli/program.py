"""The command `onward`: what it is without a command, and how it ends."""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

import onward
from onward.cli.commands import Commands
from onward.errors import OnwardError

# Where nobody is looking, usage errors and help are plain text.
_looked_at = sys.stdout.isatty() and sys.stderr.isatty()

program = typer.Typer(
    name="onward",
    cls=Commands,
    help="Delivers data: durably, in order per key, once in effect, and can say where every record is.",
    no_args_is_help=True,
    rich_markup_mode="rich" if _looked_at else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        from onward.cli.show import fail

        fail(error)
    finally:
        gc.freeze()  # or Python, before it ends, looks through all that was imported for what is garbage
