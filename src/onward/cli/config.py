"""`onward config`: the values that count, and where each comes from."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from onward import load
from onward.cli import options, show
from onward.cli.show import Column
from onward.config import Config, assigned
from onward.settings import Setting

_COLUMNS = [Column("setting"), Column("value"), Column("from")]


def config(
    apps: options.Apps = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="As `run` is told; may be repeated.", show_default=False),
    ] = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show the values that count, and where each comes from; without APP those of all installed apps."""
    read = Config.read()
    found = load.apps(apps or load.installed())
    given = assigned(set_ or (), found)
    own = read.effective(store)
    of_apps = {app.name: read.look(app, given[app.name]) for app in found}
    if json:
        named = {name: [_row(setting) for setting in settings] for name, settings in of_apps.items()}
        show.document({"settings": [_row(setting) for setting in own], "apps": named})
        return
    rows = [_cells(setting.field, setting) for setting in own]
    for name, settings in of_apps.items():
        rows += [_cells(f"{name}.{setting.field}", setting) for setting in settings]
    show.facts(show.table("", _COLUMNS, rows))
    for setting in [setting for settings in [own, *of_apps.values()] for setting in settings if setting.fault]:
        show.note(setting.fault)


def _row(setting: Setting) -> dict[str, Any]:
    row = {"field": setting.field, "value": _plain(setting.value), "origin": setting.origin}
    return {**row, "fault": setting.fault} if setting.fault else row


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=str)


def _cells(name: str, setting: Setting) -> list[str]:
    if setting.fault:
        return [name, "-", f"failed: {setting.origin}"]
    shown = _plain(setting.value)
    text = shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()
    return [name, text, setting.origin]
