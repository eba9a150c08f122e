"""Every command and option is on the page made from them, and the page written by hand names none that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from onward.cli.program import program

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
MADE, PAGE = REFERENCE / "commands.md", REFERENCE / "command-line.md"


def _commands(command: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        for child, found in command.commands.items():
            yield from _commands(found, f"{name} {child}".strip())
    yield name, {option for one in command.params if not getattr(one, "hidden", False) for option in one.opts}


def test_all_is_documented_and_nothing_else() -> None:
    made, page = MADE.read_text(), PAGE.read_text()
    known = {"--help", "--install-completion", "--show-completion", "--no-owner", "--dbname"}  # the last of pg_restore
    for name, options in _commands(typer.main.get_command(program)):
        long = {option for option in options if option.startswith("--")}
        known |= long
        told = made.partition(f"## onward {name}\n" if name else "## onward\n")[2].partition("\n## ")[0]
        for word in (*name.split(), *(long - {"--help"})):
            assert word in told, f"{name}: {word}"
        assert all(word in page for word in name.split()), name
    assert set(re.findall(r"--[a-z][a-z-]*", page)) <= known
