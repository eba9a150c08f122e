"""Arguments and options that several commands have."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from onward import units
from onward.errors import Refused

if TYPE_CHECKING:
    from onward.log import Survey

# What only completion needs is imported there.


def installed(incomplete: str) -> list[str]:
    """Completes the name of an app."""
    from onward import load

    return [name for name in load.installed() if name.startswith(incomplete)]


def stages(incomplete: str) -> list[str]:
    """Completes the name of a stage or source that the store knows."""
    survey = _survey()
    known = {one.stage for one in survey.stages} | set(survey.sources) if survey is not None else set()
    return _begun(known, incomplete)


def topics(incomplete: str) -> list[str]:
    """Completes the name of a topic that the store knows."""
    survey = _survey()
    return _begun({one.topic for one in survey.topics} if survey is not None else set(), incomplete)


def _begun(names: set[str], incomplete: str) -> list[str]:
    """The full names, and the short ones of those whose full name does not begin so."""
    full = sorted(name for name in names if name.startswith(incomplete))
    return full or sorted({short for name in names if (short := name.partition(".")[2]).startswith(incomplete)})


def _survey() -> Survey | None:
    """What the store holds that a command would take; None where it cannot be looked at: nobody sees an error here."""
    import asyncio

    from onward import stores
    from onward.config import Config

    async def look() -> Survey:
        async with stores.looking(Config.read().store()) as books:
            return await books.survey(0.0)

    with contextlib.suppress(Exception):
        return asyncio.run(look())
    return None


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
Memory = Annotated[
    str, typer.Option(metavar="SIZE", help="The byte budget of a process: what it reads ahead and has not committed.")
]
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
