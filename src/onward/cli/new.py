"""`onward new`: a program to begin with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from onward import templates
from onward.cli import options, show
from onward.errors import Refused
from onward.load import COMMANDS

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the app, and of its file NAME.py.")],
    template: Annotated[
        str, typer.Option("--from", metavar="TEMPLATE", help="What to begin with: empty or loader.")
    ] = "empty",
    json: options.Json = False,
) -> None:
    """Write a program to begin with: NAME.py, here; the template `loader` has a sample to load beside it."""
    if not _NAME.fullmatch(name) or name in COMMANDS:
        raise Refused(f"{name!r} cannot name an app and its file; write a-z, 0-9 and _, and no command's name")
    try:
        made = templates.write(template, name, Path.cwd())
    except OSError as error:
        raise Refused(f"{error.filename} cannot be written: {error.strerror}") from error
    shown = [path.name for path in made]
    if json:
        show.document({"app": name, "template": template, "made": shown})
        return
    print("\n".join(shown))
    show.note(f"it says at its top how it is run; `onward run {name}.py --once` delivers what there is")
