"""The one door for configuration: `onward.toml` in the working directory, the environment, and what was said.

Nothing else reads the environment or that file.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onward import settings
from onward.errors import Refused, SettingError
from onward.settings import Setting
from onward.url import DatabaseURL

if TYPE_CHECKING:
    from onward.app import App

FILE = "onward.toml"
DEFAULT_STORE = "sqlite:///onward.db"
DEMO_STORE = "sqlite:///onward-demo/store.db"

_LEVELS = ("debug", "info", "warning", "error")


class Config:
    """What `onward.toml` and the environment say."""

    def __init__(self, file: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._file = file
        self._environment = environment

    @classmethod
    def read(cls, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
        """From a folder (the working directory) and the environment.

        Raises:
            SettingError: the file cannot be read, or says something that nobody knows.
        """
        path = (folder or Path.cwd()) / FILE
        file = settings.read_file(path)
        for name, value in file.items():
            if name not in ("store", "apps"):
                raise SettingError(f"{path}: nobody knows {name!r}; it may have `store` and tables [apps.NAME]")
            if not isinstance(value, str if name == "store" else dict):
                raise SettingError(f'{path}: {name} is wrong; write store = "URL", and tables [apps.NAME]')
        for name, table in file.get("apps", {}).items():
            if not isinstance(table, dict):
                raise SettingError(f"{path}: {name} in [apps] is wrong; write a table [apps.{name}] of its settings")
        return cls(file, os.environ if environment is None else environment)

    def store(self, given: str | None = None) -> str:
        """The store's URL: the one given, else `ONWARD_STORE`, else that of `onward.toml`, else the default."""
        url = given or self._environment.get("ONWARD_STORE") or self._file.get("store") or DEFAULT_STORE
        return DatabaseURL(url).reveal()  # from now on its password is masked

    def effective(self, given: str | None = None) -> list[Setting]:
        """What is not any app's: the store, who acts and the log level, and where each comes from."""
        file, environment = self._file, self._environment
        store = "--store" if given else _origin("ONWARD_STORE", environment, "onward.toml" if "store" in file else "")
        found = [Setting("store", DatabaseURL(self.store(given)), store)]
        found.append(Setting("user", self.user(), _origin("ONWARD_USER", environment, "the system's user")))
        try:
            found.append(Setting("log", self.log_level(), _origin("ONWARD_LOG", environment, "")))
        except SettingError as error:
            found.append(Setting("log", None, "environment ONWARD_LOG", str(error)))
        return found

    def demo_store(self, given: str | None = None) -> str:
        """The store of a demo, which leaves the one of `onward.toml` alone."""
        return DatabaseURL(given or self._environment.get("ONWARD_STORE") or DEMO_STORE).reveal()

    def editor(self) -> str:
        """The command that edits a file: `VISUAL`, `EDITOR`, else `vi`."""
        return self._environment.get("VISUAL") or self._environment.get("EDITOR") or "vi"

    def user(self) -> str:
        """Who acts: `ONWARD_USER`, else the system's user."""
        if name := self._environment.get("ONWARD_USER"):
            return name
        try:
            return getpass.getuser()
        except (OSError, KeyError):
            return str(os.getuid()) if hasattr(os, "getuid") else "unknown"

    def log_level(self) -> str:
        """From which level on log lines are written: `ONWARD_LOG`, else `info`."""
        level = self._environment.get("ONWARD_LOG", "info").lower()
        if level not in _LEVELS:
            raise SettingError(f"ONWARD_LOG is {level!r}; it may be {', '.join(_LEVELS)}")
        return level

    def settings(self, app: App, given: Mapping[str, Any] | None = None) -> Any:
        """The app's settings, None where it declares none.

        Raises:
            SettingError: a required one is missing, one is unknown, or one cannot be read as its type.
        """
        if app.settings_class is None:
            for source, names in self._said(app, given):
                if names:
                    raise SettingError(f"{source}: app {app.name} has no settings, so no {', '.join(names)}")
            return None
        made, _ = settings.resolve(
            app.name, app.settings_class, file=self._file, environment=self._environment, given=given
        )
        return made

    def _said(self, app: App, given: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
        """By where it was said: which fields of the app."""
        return [("--set", sorted(given or {})), (FILE, sorted(self._file.get("apps", {}).get(app.name, {})))]

    def look(self, app: App, given: Mapping[str, Any] | None = None) -> list[Setting]:
        """Every setting of the app, where it comes from, and what is wrong with it."""
        if app.settings_class is None:
            told = f"app {app.name} has no settings"
            return [Setting(name, None, source, told) for source, names in self._said(app, given) for name in names]
        return settings.look(app.name, app.settings_class, file=self._file, environment=self._environment, given=given)


def _origin(variable: str, environment: Mapping[str, str], otherwise: str) -> str:
    return f"environment {variable}" if environment.get(variable) else otherwise or "default"


def assigned(texts: Sequence[str], apps: Sequence[App]) -> dict[str, dict[str, str]]:
    """What each app is given by `--set field=value` and `--set APP.field=value`.

    A field without an app goes to every one of the apps that has it.

    Raises:
        Refused: a text has another shape, or no app has the field.
    """
    given: dict[str, dict[str, str]] = {app.name: {} for app in apps}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Refused(f"--set {text}: write --set field=value")
        app_name, dot, field = name.rpartition(".")
        fields = {app.name: settings.names(app.settings_class) if app.settings_class else [] for app in apps}
        takers = [app for app in apps if (app.name == app_name if dot else field in fields[app.name])]
        if not takers:
            known = sorted({name for names in fields.values() for name in names})
            raise Refused(f"--set {text}: no app has a setting {name!r}; there are {', '.join(known) or 'none'}")
        for app in takers:
            given[app.name][field] = value
    return given
