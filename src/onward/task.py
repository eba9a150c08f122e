"""A task: a function run on demand, with typed arguments; its runs are recorded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from onward.errors import Refused
from onward.handler import Handler
from onward.names import full_name
from onward.settings import MASK, Secret, converted, masked

if TYPE_CHECKING:
    from onward.app import App

GIVEN = frozenset(["progress"])
"""Parameters of a task that Onward provides by name, besides resources."""


class Parameter(Struct, frozen=True):
    """One argument of a task: its name, its type (Any where nothing says), and whether it must be given."""

    name: str
    type: Any
    required: bool
    default: Any = None

    def __str__(self) -> str:
        return f"{self.name}: {_named(self.type)}" + ("" if self.required else f" = {self._shown}")

    @property
    def _shown(self) -> str:
        return repr(self.default) if not isinstance(self.default, str) or self.default else '""'

    def read(self, given: Any) -> Any:
        """The argument as the function takes it: text is converted, a Python value checked.

        Raises:
            ValueError: it is none of this type.
        """
        if self.type is Any:
            return given
        if isinstance(given, str):
            return _from_text(given, self.type)
        if Secret in _members(self.type):
            if isinstance(given, _members(self.type)):
                return given
            raise ValueError("a secret is text")
        return msgspec.convert(given, self.type, dec_hook=_made)


class Task:
    """Declared by `@app.task`; see there."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.handler = Handler(function, has_value=False)
        self.where = self.handler.where

    def parameters(self, app: App) -> list[Parameter]:
        """What is to be given by who runs it: all but resources, settings and what Onward provides."""
        found = []
        for name, parameter in self.handler.needs.items():
            hint = self.handler.hints.get(name, Any)
            if name in GIVEN or name in app.resources:
                continue
            if is_client(hint) or (app.settings_class is not None and hint is app.settings_class):
                continue
            required = parameter.default is parameter.empty
            # Where an annotation cannot be found it is text.
            found.append(Parameter(name, Any if isinstance(hint, str) else hint, required, parameter.default))
        return found

    def arguments(self, parameters: list[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them.

        Raises:
            Refused: one is missing, unknown or cannot be read; it says what there is.
        """
        known = {parameter.name: parameter for parameter in parameters}
        takes = f"it takes {', '.join(map(str, parameters))}" if parameters else "it takes no arguments"
        if unknown := sorted(set(given) - set(known)):
            raise Refused(f"task {self.name} has no argument {', '.join(unknown)}; {takes}")
        if missing := [name for name, one in known.items() if one.required and name not in given]:
            raise Refused(f"task {self.name} needs {', '.join(f'{name}=' for name in missing)}; {takes}")
        found = {}
        for name, value in given.items():
            try:
                found[name] = known[name].read(value)
            except (ValueError, TypeError) as error:  # of msgspec, too
                what = MASK if Secret in _members(known[name].type) else masked(repr(value))
                raise Refused(f"task {self.name}: {name}={what}: {error}; {takes}") from None
        return found


def task_of(app: App, named: Any) -> Task:
    """The task of an app that is meant by its function, or by its name, in full or in short.

    Raises:
        Refused: there is none.
    """
    if not isinstance(named, str):
        for task in app.tasks.values():
            if task.handler.function is named:
                return task
        raise Refused(f"{named!r} is no task of app {app.name}; it has {', '.join(app.tasks) or 'none'}")
    return app.tasks[full_name("task", named, app.tasks, app.name)]


def is_client(hint: Any) -> bool:
    """Whether a parameter with this annotation gets a client of the store."""
    return isinstance(hint, type) and hint.__module__ == "onward.client" and hint.__name__ == "Client"


def shown(arguments: Mapping[str, Any]) -> bytes:
    """Arguments as JSON, secrets masked; what has no JSON as its text."""
    text = msgspec.json.encode(dict(arguments), enc_hook=str).decode()
    return masked(text).encode()


def _from_text(text: str, type_: Any) -> Any:
    if type_ is str:
        return text
    try:
        return converted(text, type_, dec_hook=_made)
    except (msgspec.ValidationError, ValueError) as error:
        try:
            return msgspec.json.decode(text, type=type_, dec_hook=_made)
        except (msgspec.MsgspecError, ValueError):
            raise error from None


def _made(type_: type, value: Any) -> Any:
    """A value of a class that JSON does not know, as a path, by its own constructor."""
    return value if isinstance(value, type_) else type_(value)


def _members(type_: Any) -> tuple[Any, ...]:
    return getattr(type_, "__args__", ()) or (type_,)


def _named(type_: Any) -> str:
    if type_ is Any:
        return "text"
    if isinstance(type_, type) and not getattr(type_, "__args__", ()):
        return type_.__name__
    return inspect.formatannotation(type_)
