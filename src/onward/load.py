"""Finding apps: by installed name, by file, or by module and attribute."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from onward.app import App
from onward.errors import AppNotFound

GROUP = "onward.apps"

COMMANDS = frozenset([
    "audit", "backup", "config", "console", "demo", "doctor", "forget", "graph", "move", "new", "parked", "pause",
    "put", "read", "repartition", "replay", "resume", "review", "run", "status", "table", "task", "trace",
])  # fmt: skip
"""Names that no app may have, as an app may add a command of its own name."""


def apps(names: Sequence[str]) -> list[App]:
    """The apps that were named, checked, each once.

    Raises:
        AppNotFound: there is none under a name.
        DeclarationError: one is declared wrongly.
    """
    found: dict[str, App] = {}
    for name in names:
        made = app(name)
        if found.setdefault(made.name, made) is not made:
            raise AppNotFound(f"two different apps are called {made.name!r}; run them from stores of their own")
    return list(found.values())


def app(name: str) -> App:
    """The app under an installed name, as `path/to/file.py[:name]` or as `module:attribute`; checked.

    Raises:
        AppNotFound: there is none.
        DeclarationError: it is declared wrongly.
    """
    path, attribute = _as_file(name)
    if path is not None:
        made = _in_module(_file(path), attribute, str(path))
    elif ":" in name:
        made = _attribute(name)
    else:
        made = _installed(name)
    if made.name in COMMANDS:
        raise AppNotFound(f"app {made.name!r} has the name of a command; call it something else")
    made.check()
    made.reference = name if path is None else f"{path.resolve()}:{attribute or made.name}"
    return made


def is_name(text: str) -> bool:
    """Whether this can only be the name of an app, not a file or a module."""
    return ":" not in text and not text.endswith(".py")


def installed() -> list[str]:
    """The names of all installed apps."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def _installed(name: str) -> App:
    points: tuple[EntryPoint, ...] = tuple(entry_points(group=GROUP, name=name))
    if not points:
        known = ", ".join(installed()) or "none"
        file = f"; there is a file {name}.py here" if Path(f"{name}.py").is_file() else ""
        raise AppNotFound(
            f"no app {name!r} is installed (installed: {known}){file}; "
            "name one by path/to/file.py[:name] or module:attribute"
        )
    try:
        made = points[0].load()
    except Exception as error:
        raise _broken(f"app {name!r} ({points[0].value})", error) from error
    return _an_app(made, f"{name!r} ({points[0].value})")


def _as_file(text: str) -> tuple[Path | None, str]:
    if text.endswith(".py"):
        return Path(text), ""
    path, colon, attribute = text.rpartition(":")
    return (Path(path), attribute) if colon and path.endswith(".py") else (None, "")


def _file(path: Path) -> ModuleType:
    full = path.resolve()
    if not full.is_file():
        raise AppNotFound(f"there is no file {path}")
    for known in list(sys.modules.values()):
        if getattr(known, "__file__", None) == str(full):
            return known
    folder = str(full.parent)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)
    # A file may be called like a module that is in use already, which must stay what it is.
    name = full.stem if full.stem not in sys.modules else f"onward_file_{full.stem}"
    spec = importlib.util.spec_from_file_location(name, full)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(str(path), error) from error
    return module


def _in_module(module: ModuleType, name: str, where: str) -> App:
    found = {id(value): value for value in vars(module).values() if isinstance(value, App)}
    if name:
        made = getattr(module, name, None) or next((app for app in found.values() if app.name == name), None)
        if made is None:
            raise AppNotFound(f"{where} has no app {name!r}; {_has(found.values())}")
        return _an_app(made, f"{where}:{name}")
    if len(found) != 1:
        more = f"; say which, as {where}:NAME" if found else "; write app = onward.App(...)"
        raise AppNotFound(f"{where}: {_has(found.values())}{more}")
    return next(iter(found.values()))


def _has(found: object) -> str:
    names = [app.name for app in found]  # type: ignore[attr-defined]
    return f"it has the apps {', '.join(names)}" if names else "it has no App"


def _attribute(text: str) -> App:
    module_name, _, attribute = text.partition(":")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        made: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise AppNotFound(f"there is no module {module_name!r} (looked for {error.name!r})") from error
        raise _broken(module_name, error) from error
    except Exception as error:
        raise _broken(module_name, error) from error
    for part in attribute.split("."):
        try:
            made = getattr(made, part)
        except AttributeError:
            raise AppNotFound(f"module {module_name} has no {attribute!r}") from None
    return _an_app(made, text)


def _an_app(made: object, where: str) -> App:
    if not isinstance(made, App):
        raise AppNotFound(f"{where} is a {type(made).__name__}, not an App")
    return made


def _broken(where: str, error: Exception) -> AppNotFound:
    """What the author needs to mend it: the frames of their own code, then all of it in the last line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    told = "".join(traceback.format_list(frames))
    at = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        told, at = "", f" ({error.filename}:{error.lineno})"
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return AppNotFound(f"{told}{where} cannot be loaded: {type(error).__name__}: {message}{at}")


def _is_theirs(file: str) -> bool:
    return not file.startswith("<") and Path(file) != Path(__file__) and not file.startswith(importlib.__path__[0])
