"""What is shown where: facts on standard output, all else on standard error; tables for who looks, else plain text.

Rich draws for who looks; off a terminal it is not even imported, which would be a third of the time of a command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec

from onward.errors import DeclarationError, OnwardError
from onward.exit import leave
from onward.settings import masked

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# What Rich leaves out of texts: they would move a terminal's cursor.
_MOVES = dict.fromkeys([7, 8, 11, 12, 13])


class Stream:
    """Standard output or standard error."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name

    @cached_property
    def is_terminal(self) -> bool:
        """Whether a person is looking."""
        return getattr(sys, self._name).isatty()

    @cached_property
    def console(self) -> Console:
        """What Rich draws on."""
        from rich.console import Console

        return Console(stderr=self._name == "stderr", highlight=False)

    def print(self, shown: RenderableType) -> None:
        """Prints a text or a drawing; on a terminal long lines are folded."""
        if isinstance(shown, str) and not self.is_terminal:
            return self._write(shown)
        from rich.text import Text

        self.console.print(Text(shown) if isinstance(shown, str) else shown, soft_wrap=not self.is_terminal)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Prints a line, which is never folded, of texts and of (text, style) for who looks."""
        if not self.is_terminal:
            return self._write("".join(part if isinstance(part, str) else part[0] for part in parts))
        from rich.text import Text

        self.console.print(Text.assemble(*parts), soft_wrap=True)

    def _write(self, text: str) -> None:
        getattr(sys, self._name).write(f"{text.translate(_MOVES)}\n")


out = Stream("stdout")
err = Stream("stderr")


def facts(shown: RenderableType) -> None:
    """Something that was asked for."""
    out.print(shown)


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
    err.line((text, "dim"))


def fail(error: OnwardError) -> NoReturn:
    """Tells an error, all of it in the last line, and ends with its exit code."""
    text = str(error)
    if isinstance(error, DeclarationError):
        faults = [f"{fault.where}: {fault.what}" for fault in error.faults]
        text = f"app {error.app!r}: {faults[0]}"
        if len(faults) > 1:
            last = f"app {error.app!r}: {len(faults)} faults, the first at {faults[0]}"
            text = "\n".join([*(f"  {fault}" for fault in faults), last])
    *before, last = masked(text).splitlines() or [""]
    for one in before:
        err.line(one)
    err.line(("Error: ", "bold red"), last)
    leave(error.exit_code)


def failed(why: str) -> None:
    """Tells, as the last line, why a command ends with exit code 1."""
    err.line(("Error: ", "bold red"), masked(why))


class Column:
    """One column of a table; numbers stand at its right edge."""

    def __init__(self, title: str, *, number: bool = False) -> None:
        self.title = title
        self.number = number


def table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> RenderableType:
    """For `facts`: a drawn table on a terminal, else columns of plain text with the title before them."""
    cells = [list(row) for row in rows]
    if not out.is_terminal:
        return _plain(title, columns, cells)
    from rich.table import Table
    from rich.text import Text

    # Without lines between them: eight columns fit a terminal of 80.
    made = Table(
        title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False,
        padding=(0, 2, 0, 0),
    )  # fmt: skip
    for column in columns:
        made.add_column(column.title, justify="right" if column.number else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    return made


def stacked(parts: Sequence[RenderableType]) -> RenderableType:
    """For `facts`: tables one below the other."""
    if not out.is_terminal:
        return "\n".join(map(str, parts))
    from rich.console import Group

    return Group(*parts)


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
