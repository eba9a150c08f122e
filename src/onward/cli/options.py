"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from onward import load, units
from onward.errors import Refused


def installed(incomplete: str) -> list[str]:
    """Completes the name of an app."""
    return [name for name in load.installed() if name.startswith(incomplete)]


Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The store; else ONWARD_STORE, else `store` in onward.toml, else sqlite:///onward.db.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Apps = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[APP]...",
        help="An installed name, path/to/file.py[:name] or module:attribute.",
        autocompletion=installed,
        show_default=False,
    ),
]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="The byte budget of a process.")]
Patience = Annotated[
    str, typer.Option(metavar="DURATION", help="How far ahead a retry may be due for --once to wait for it.")
]
Grace = Annotated[str, typer.Option(metavar="DURATION", help="How long work in hand may take to finish at a stop.")]
Failed = Annotated[bool, typer.Option("--failed", hidden=True)]
"""Given by a process to the one that replaces it: something has failed in this run before."""


def duration(option: str, text: str) -> float:
    """Seconds.

    Raises:
        Refused: it is no duration.
    """
    try:
        return units.duration(text)
    except ValueError as error:
        raise Refused(f"{option}: {error}") from None


def size(option: str, text: str) -> int:
    """Bytes.

    Raises:
        Refused: it is no size.
    """
    try:
        return units.size(text)
    except ValueError as error:
        raise Refused(f"{option}: {error}") from None
