"""`onward backup`: a consistent copy of the store while workers run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from onward import stores
from onward.cli import options, show
from onward.config import Config
from onward.url import shown


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.", show_default=False)],
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Write a consistent copy of the store into a new file, while workers run.

    Of a SQLite store it opens as one; of a store on PostgreSQL it is an archive for `pg_restore`, made by `pg_dump`.
    """
    url = Config.read().store(store)
    made = asyncio.run(stores.backup(url, file))
    if json:
        show.document({"store": shown(url), "file": str(file), "bytes": made.size})
    else:
        print(f"{file} is a copy of {shown(url)}, {made.size} bytes; {made.use}")
