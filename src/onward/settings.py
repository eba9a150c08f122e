"""Settings: a class of an app, its fields filled from one door and the last word winning.

In order: the field's default, `[apps.NAME]` in `onward.toml`, the environment (`NAME_FIELD`, or `env` in the
field's metadata), `--set field=value`. A value `env:NAME` or `file:PATH` names where the true value is.
"""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from onward.errors import SettingError
from onward.misfit import misfit

MASK = "***"
_known_secrets: tuple[str, ...] = ()


class Secret:
    """A type for settings: a `text` that is masked wherever it is shown; `.reveal()` gives it.

    Texts of 4 characters or more are masked in errors, reasons and log lines, too. A subclass may say by `secrets()`
    which parts of it are secret, and by `__str__` how it is shown; its constructor raises ValueError, without the text,
    where it cannot be read.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        for secret in self.secrets():
            if len(secret) >= 4:
                _know(secret)

    def secrets(self) -> Sequence[str]:
        """What of it is masked in all that is shown."""
        return (self._text,)

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _know(text: str) -> None:
    """The longest comes first: one that begins like another is masked whole."""
    global _known_secrets
    _known_secrets = tuple(sorted({*_known_secrets, text}, key=lambda known: (-len(known), known)))


def masked(text: str) -> str:
    """The text without any secret that a setting of this process holds."""
    for secret in _known_secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


class Setting(typing.NamedTuple):
    """One effective value: its field, the value (secrets are `Secret`), and where it comes from.

    `fault` says what is wrong with it, and then `value` is None.
    """

    field: str
    value: Any
    origin: str
    fault: str = ""


def resolve(
    app: str,
    class_: type,
    *,
    file: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> tuple[Any, list[Setting]]:
    """An instance of the settings class, and where each value came from.

    Raises:
        SettingError: a required one is missing, one is unknown, or one cannot be read as its type.
    """
    found = look(app, class_, file=file, environment=environment, given=given)
    for setting in found:
        if setting.fault:
            raise SettingError(setting.fault)
    try:
        return class_(**{setting.field: setting.value for setting in found}), found
    except ValueError as error:
        raise SettingError(f"app {app}: {error}") from None


def look(
    app: str,
    class_: type,
    *,
    file: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> list[Setting]:
    """Every field's effective value and where it came from, with what is wrong with it; also fields that are set and
    that there are none of."""
    environment = os.environ if environment is None else environment
    table = dict((file or {}).get("apps", {}).get(app, {}))
    known = {name: (type_, default, env) for name, type_, default, env in _fields(class_)}
    found: list[Setting] = []
    for source, names in (("onward.toml", table), ("--set", given or {})):
        for unknown in sorted(set(names) - set(known)):
            told = f"{source}: app {app} has no setting {unknown!r}; it has {', '.join(sorted(known))}"
            found.append(Setting(unknown, None, source, told))
    for name, (type_, default, env) in known.items():
        variable = env or f"{app}_{name}".upper().replace("-", "_")
        if given and name in given:
            raw, origin = given[name], "--set"
        elif variable in environment:
            raw, origin = environment[variable], f"environment {variable}"
        elif name in table:
            raw, origin = table[name], f"onward.toml [apps.{app}]"
        elif default is not msgspec.NODEFAULT:
            found.append(Setting(name, default, "default"))
            continue
        else:
            told = (
                f"app {app} needs the setting {name!r}; give it as --set {name}=..., as {variable} in the "
                f"environment, or under [apps.{app}] in onward.toml"
            )
            found.append(Setting(name, None, "missing", told))
            continue
        try:
            found.append(Setting(name, _read(app, name, type_, raw, origin, environment), origin))
        except SettingError as error:
            found.append(Setting(name, None, origin, str(error)))
    return found


def names(class_: type) -> list[str]:
    """The fields of a settings class."""
    return [name for name, *_ in _fields(class_)]


def packed(settings: Any) -> bytes:
    """An instance as JSON, for a process of its own. Its secrets are in it.

    Raises:
        SettingError: a value cannot be written as JSON.
    """
    try:
        values = {name: getattr(settings, name) for name in names(type(settings))}
        return msgspec.json.encode(values, enc_hook=_plain)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{type(settings).__name__} cannot be given to a process of its own: {error}") from error


def unpacked(class_: type, text: bytes) -> Any:
    """What `packed` was given."""
    values = msgspec.json.decode(text)
    return class_(**{name: _unpacked(type_, values[name]) for name, type_, *_ in _fields(class_)})


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is no JSON")


def _unpacked(type_: Any, raw: Any) -> Any:
    members = typing.get_args(type_) or (type_,)
    for class_ in (Secret, Path):
        if class_ in members:
            return raw if raw is None else class_(raw)
    return msgspec.convert(raw, type_, strict=False)


def read_file(path: Path) -> dict[str, Any]:
    """The content of an `onward.toml`; empty where there is none."""
    try:
        text = path.read_text("utf-8-sig")
        import tomllib  # most often there is no file

        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise SettingError(f"{path}: {error}") from error


def _fields(class_: type) -> list[tuple[str, Any, Any, str | None]]:
    hints = typing.get_type_hints(class_)
    if issubclass(class_, msgspec.Struct):
        described = []
        for field in msgspec.structs.fields(class_):
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            metadata = _metadata(typing.get_type_hints(class_, include_extras=True)[field.name])
            described.append((field.name, hints[field.name], default, metadata.get("env")))
        return described
    if dataclasses.is_dataclass(class_):
        described = []
        for data in dataclasses.fields(class_):
            default = data.default
            if data.default_factory is not dataclasses.MISSING:
                default = data.default_factory()
            described.append(
                (
                    data.name,
                    hints[data.name],
                    msgspec.NODEFAULT if default is dataclasses.MISSING else default,
                    data.metadata.get("env"),
                )
            )
        return described
    raise SettingError(f"{class_.__name__} is no settings class; make it a msgspec Struct or a dataclass")


def _metadata(hint: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, msgspec.Meta):
            found.update(extra.extra or {})
        elif isinstance(extra, dict):
            found.update(extra)
    return found


def _read(app: str, name: str, type_: Any, raw: Any, origin: str, environment: Mapping[str, str]) -> Any:
    try:
        if isinstance(raw, str):
            raw = _dereferenced(raw, environment)
        return converted(raw, type_)
    except SettingError as error:
        raise SettingError(f"app {app}, setting {name!r} from {origin}: {error}") from None
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise SettingError(f"app {app}, setting {name!r} from {origin} cannot be read: {misfit(error)}") from None


def converted(raw: Any, type_: Any, dec_hook: Callable[[type, Any], Any] | None = None) -> Any:
    """What was written as text, as a type: yes and no are booleans, too.

    Raises:
        ValueError (of msgspec): it cannot be read as that.
    """
    members = typing.get_args(type_) or (type_,)
    for member in members:
        if isinstance(member, type) and issubclass(member, Secret):
            return member(str(raw))
    if isinstance(raw, str) and bool in members and raw.strip().lower() in _BOOLEANS:
        return _BOOLEANS[raw.strip().lower()]
    return msgspec.convert(raw, type_, strict=False, dec_hook=dec_hook)


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _dereferenced(text: str, environment: Mapping[str, str]) -> str:
    if text.startswith("env:"):
        if (found := environment.get(text[4:])) is None:
            raise SettingError(f"the environment has no {text[4:]}")
        return found
    if text.startswith("file:"):
        try:
            return Path(text[5:]).read_text("utf-8-sig").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{text[5:]} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return text
