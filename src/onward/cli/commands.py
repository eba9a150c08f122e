"""The commands, each imported when it is called or shown: those of Onward, and behind them those of apps.

`onward NAME ...` is a command of an app where NAME is an installed app, or a file with one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

HOMES = {
    "demo": "demo",
    "run": "run",
    "status": "status",
    "graph": "graph",
    "read": "read",
    "put": "put",
    "trace": "trace",
    "parked": "parked",
    "review": "review",
    "replay": "replay",
    "audit": "audit",
    "task": "task",
    "table": "table",
    "pause": "pause",
    "resume": "pause",
    "move": "move",
    "forget": "forget",
    "backup": "backup",
    "repartition": "repartition",
    "doctor": "doctor",
    "config": "config",
    "new": "new",
}
"""In the order of the help: each command, and the module of `onward.cli` that has it, as `program` where it has
commands of its own, else as a function."""


class Commands(TyperGroup):
    """Onward's commands, and behind them those of apps; an app is loaded when its command is called."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Imported(self.rich_markup_mode)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self.commands.get(cmd_name) or _of_app(cmd_name)


class Imported(Mapping[str, Any]):
    """Onward's commands by name."""

    def __init__(self, markup: Any) -> None:
        self._holder: dict[str, Any] = {"rich_markup_mode": markup}

    def __getitem__(self, name: str) -> Any:
        module = import_module(f"onward.cli.{HOMES[name]}")
        holder = typer.Typer(**self._holder)
        if hasattr(module, "program"):
            holder.add_typer(module.program, name=name)
        else:
            holder.command(name)(getattr(module, name))
        return typer.main.get_group(holder).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


def _of_app(name: str) -> Any:
    """The command of an app, None where this is no name of one."""
    from onward import load
    from onward.errors import Refused

    if load.is_name(name) and name not in load.installed():
        return None
    app = load.app(name)
    if app.own_command is None:
        raise Refused(f"app {app.name} has no command of its own; run it by `onward run {name}`")
    return typer.main.get_command(_as_typer(app.own_command))


def _as_typer(command: object) -> typer.Typer:
    if isinstance(command, typer.Typer):
        return command
    made = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.command()(command)  # type: ignore[type-var]
    return made
