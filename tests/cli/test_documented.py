"""Every command and every option is on the page, and the page names no option that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from onward.cli.program import program

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


def _commands(command: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        for child, found in command.commands.items():
            yield from _commands(found, f"{name} {child}".strip())
    yield name, {option for one in command.params if not getattr(one, "hidden", False) for option in one.opts}


def test_all_is_documented_and_nothing_else() -> None:
    page = PAGE.read_text()
    known = {"--help", "--install-completion", "--show-completion"}
    for name, options in _commands(typer.main.get_command(program)):
        long = {option for option in options if option.startswith("--")}
        known |= long
        for word in (*name.split(), *long):
            assert word in page, f"{name}: {word}"
    assert set(re.findall(r"--[a-z][a-z-]*", page)) <= known
