"""What a command does not need it does not import, and all the same none is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import onward
from onward import cli, load
from onward.cli.commands import HOMES
from onward.cli.program import program

from .conftest import SHOP, Command

OUTSIDE = {"rich", "croniter", "obstore", "psycopg", "confluent_kafka", "nats", "httpx2", "pymongo", "hypothesis"}
ENGINE = {"onward.app", "onward.worker", "onward.lane", "onward.load", "onward.client", "onward.logs.memory"}
SLOW = OUTSIDE | ENGINE

TELL = """
import json, sys
from onward.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(command: Command, *arguments: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", TELL, *arguments],
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stderr.splitlines()[-1]))


def test_the_version_is_told_without_anything_else(command: Command) -> None:
    there = imported(command, "--version")
    assert "onward.cli.program" in there
    assert not there & (SLOW | {"asyncio", "msgspec", "apsw", "onward.settings", "onward.log", "onward.cli.show"})


def test_looking_at_a_store_imports_nothing_that_moves_records(command: Command) -> None:
    command("run", SHOP, "--once")
    for arguments in (["status"], ["status", "shop"], ["trace", "c1"], ["read", "orders"], ["parked", "list"]):
        there = imported(command, *arguments)
        assert "onward.logs.sqlite_books" in there
        assert there & SLOW == set(), arguments


def test_the_whole_of_the_package_is_at_hand_when_it_is_asked_for() -> None:
    tell = "import onward, json, sys; before = set(sys.modules); from onward import *; print(json.dumps(dir(onward)))"
    ended = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, timeout=60, check=True)
    assert set(onward.__all__) <= set(json.loads(ended.stdout))
    homes = [name for names in onward._HOMES.values() for name in names]
    assert sorted(homes) == sorted(onward.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = onward.Nothing


def test_every_command_is_in_the_table_and_every_file_of_a_command_is_used() -> None:
    assert set(HOMES) <= load.COMMANDS
    files = {file.stem for file in Path(cli.__file__).parent.glob("*.py")}
    told = {file for file in files if f'"""`onward {file}' in (Path(cli.__file__).parent / f"{file}.py").read_text()}
    assert told <= set(HOMES.values()) <= files
    commands = typer.main.get_command(program)
    for name in HOMES:
        found = commands.get_command(None, name)  # type: ignore[attr-defined]
        assert found.name == name and found.get_short_help_str()
    assert commands.get_command(None, "nothing") is None  # type: ignore[attr-defined]


def test_the_help_lists_all_in_order_and_a_slip_is_understood(command: Command) -> None:
    said = command("--help").stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in said.splitlines() if line.startswith("  ") and line[2] != " "] == list(HOMES)
    assert "Did you mean 'doctor'?" in command("docter", exits=2).stderr


def test_the_shell_completes_commands_and_their_options(command: Command) -> None:
    def asked(words: str, at: int) -> list[str]:
        told = {"_ONWARD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return command(exits=None, **told).stdout.split()

    assert asked("onward re", 1) == ["read", "review", "replay", "resume", "repartition"]
    assert asked("onward parked ", 2) == ["list", "show", "retry", "drop", "edit"]
    assert "--watch" in asked("onward status --w", 2)
