"""What is shown where: facts on standard output, all else on standard error; tables for who looks, else plain text."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from onward.errors import DeclarationError, OnwardError
from onward.run import leave
from onward.settings import masked

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def facts(shown: RenderableType) -> None:
    """Something that was asked for; lines are as long as they are where no terminal folds them."""
    out.print(shown, soft_wrap=not out.is_terminal)


def document(value: Any) -> None:
    """One JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value).decode(), indent=2) + "\n")


def line(value: Any) -> None:
    """One JSON object on a line of its own."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


_CONTROLS = {number: f"\\x{number:02x}" for number in [*range(32), *range(127, 160)]}
_CONTROLS |= {
    ord("\t"): "\\t",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\\"): "\\\\",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def in_line(text: str) -> str:
    """The text as one field of one line: tabs, line ends and what would steer a terminal as escapes."""
    return text.translate(_CONTROLS)


def note(text: str) -> None:
    """Something that was not asked for but should be known."""
    err.print(Text(text), style="dim" if err.is_terminal else None, soft_wrap=True)


def fail(error: OnwardError) -> NoReturn:
    """Tells an error, all of it in the last line, and ends with its exit code."""
    text = str(error)
    if isinstance(error, DeclarationError):
        faults = [f"{fault.where}: {fault.what}" for fault in error.faults]
        count = f"{len(faults)} faults, the first at " if len(faults) > 1 else ""
        text = "\n".join([*(f"  {fault}" for fault in faults), f"app {error.app!r}: {count}{faults[0]}"])
    *before, last = masked(text).splitlines() or [""]
    for one in before:
        err.print(Text(one), soft_wrap=True)
    err.print(Text.assemble(("Error: ", "bold red"), last), soft_wrap=True)
    leave(error.exit_code)


def failed(why: str) -> None:
    """Tells, as the last line, why a command ends with exit code 1."""
    err.print(Text.assemble(("Error: ", "bold red"), masked(why)), soft_wrap=True)


class Column:
    """One column of a table; numbers stand at its right edge."""

    def __init__(self, title: str, *, number: bool = False) -> None:
        self.title = title
        self.number = number


def table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> RenderableType:
    """For `out.print`: a drawn table on a terminal, else columns of plain text with the title before them."""
    cells = [list(row) for row in rows]
    if not out.is_terminal:
        return Text(_plain(title, columns, cells))
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        made.add_column(column.title, justify="right" if column.number else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    return made


def _plain(title: str, columns: Sequence[Column], cells: list[list[str]]) -> str:
    grid = [[column.title for column in columns], *cells]
    widths = [max(len(row[at]) for row in grid) for at in range(len(columns))]
    lines = [title] if title else []
    for row in grid:
        padded = [
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _style(cell: str) -> str:
    if cell.startswith(("failed", "tripped", "stopped:", "dead")):
        return "red"
    return "dim" if cell in ("0", "-", "not running", "gone") else ""
