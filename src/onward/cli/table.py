"""`onward table`: documents of a table, and how one came to be what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import typer

from onward.cli import opened, options, show
from onward.config import Config
from onward.document import Document, Edit
from onward.errors import NoDocument, Refused
from onward.log import Books
from onward.names import full_name
from onward.units import instant_text

SCREEN = 20
PAGE = 500


def table(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The table; in short where only one fits.")],
    key: Annotated[
        str | None,
        typer.Argument(metavar="[KEY]", help="Only the document of this key.", show_default=False),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="All changes of the document, the oldest first.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="At most so many; 20 on a terminal unless said.", show_default=False),
    ] = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Print documents of a table by key, or the changes of one."""
    if history and key is None:
        raise Refused("--history of which document? name its KEY")
    most = SCREEN if limit is None and show.out.is_terminal else limit

    async def work() -> bool:
        async with opened.looking(Config.read().store(store)) as books:
            known = [table.name for spec in (await books.survey()).apps for table in spec.tables]
            full = full_name("table", name, known)
            if key is not None and history:
                changes = books.tables.history(full, key)
                if not changes:
                    raise NoDocument(full, key)
                for change in changes[:most]:
                    _show(_told(change), json=json)
                return most is not None and len(changes) > most
            if key is not None:
                document = books.tables.get(full, key)
                if document is None or document.value is None:
                    raise NoDocument(full, key)
                _show(_told(document), json=json)
                return False
            count = 0
            async for document in _documents(books, full):
                if count == most:
                    return True
                _show(_told(document), json=json)
                count += 1
            return False

    if asyncio.run(work()) and limit is None:
        show.note(f"the first {most}; --limit shows more")


async def _documents(books: Books, table: str) -> AsyncIterator[Document]:
    after: str | None = None
    while page := await books.documents(table, after, PAGE):
        for document in page:
            yield document
        after = page[-1].key


def _told(one: Document | Edit) -> dict[str, Any]:
    value = None if one.value is None else msgspec.Raw(one.value)
    found: dict[str, Any] = {"table": one.table, "key": one.key, "version": one.version}
    if isinstance(one, Edit):
        found["action"] = one.action
    found |= {"state": one.state, "at": instant_text(one.at)}
    if isinstance(one, Edit):
        found |= {"by": one.by, "origin": one.origin}
    return {**found, "value": value}


def _show(told: dict[str, Any], *, json: bool) -> None:
    if json:
        show.line(told)
        return
    value = "-" if told["value"] is None else bytes(told["value"]).decode()
    changed = [told["action"], told["by"], told["origin"] or "-"] if "action" in told else []
    cells = [told["key"], f"{told['version']}", told["at"], *changed, told["state"] or "-", value]
    if show.out.is_terminal:
        show.out.line((cells[0], "bold"), " ", (" ".join(cells[1:-1]), "dim"), " ", value)
    else:
        print(*cells, sep="\t")
