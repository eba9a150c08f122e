"""`onward backup`: a consistent copy of the store while workers run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from onward import stores
from onward.cli import options, show
from onward.config import Config


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.", show_default=False)],
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Write a consistent copy of the store into a new file, while workers run; it opens as a store."""
    url = Config.read().store(store)
    size = asyncio.run(stores.backup(url, file))
    if json:
        show.document({"store": url, "file": str(file), "bytes": size})
    else:
        print(f"{file} is a copy of {url}, {size} bytes; open it by --store sqlite:///{file}")
