"""Commands of apps: `onward NAME ...` where NAME is an installed app, or a file with one."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from onward import load
from onward.errors import Refused


class Commands(TyperGroup):
    """Onward's commands, and behind them those of apps; an app is loaded when its command is called."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is not None or not _names_an_app(cmd_name):
            return found
        app = load.app(cmd_name)
        if app.own_command is None:
            raise Refused(f"app {app.name} has no command of its own; run it by `onward run {cmd_name}`")
        return typer.main.get_command(_as_typer(app.own_command))


def _names_an_app(text: str) -> bool:
    return not load.is_name(text) or text in load.installed()


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
