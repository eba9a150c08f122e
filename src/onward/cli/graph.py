"""`onward graph`: the pipeline of an app."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from onward import graph as graphs
from onward import load
from onward.cli import opened, options, show
from onward.cli.status import chosen
from onward.config import Config
from onward.errors import StoreNotFound
from onward.log import AppSpec
from onward.status import EMPTY


class Format(StrEnum):
    """How it is written."""

    text = "text"
    mermaid = "mermaid"


def graph(
    app: Annotated[str, typer.Argument(metavar="APP", help="An app that the store knows, or one that can be loaded.")],
    format: Annotated[Format, typer.Option("--format", help="Text, or a mermaid flowchart.")] = Format.text,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show the pipeline as text or mermaid."""
    spec = asyncio.run(_spec(Config.read().store(store), app))
    if json:
        show.document(graphs.document(spec))
    else:
        print(graphs.mermaid(spec) if format is Format.mermaid else graphs.text(spec))


async def _spec(url: str, name: str) -> AppSpec:
    if not load.is_name(name):
        return chosen(EMPTY, [name])[0]
    try:
        async with opened.looking(url) as books:
            return chosen(await books.survey(), [name])[0]
    except StoreNotFound:
        return chosen(EMPTY, [name])[0]
