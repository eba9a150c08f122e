"""The new value of a parked record: from an editor, a file, or the command line."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from onward import load
from onward.codec import VALUE, Codec, split
from onward.config import Config
from onward.errors import Refused
from onward.misfit import misfit
from onward.parked import Found
from onward.request import edited
from onward.stage import Stage


class Edited:
    """A parked record that gets another value; `stage` is its stage where the app's code is at hand."""

    def __init__(self, found: Found, stage: Stage | None) -> None:
        self._entry = found.row.entry
        self._stage = stage
        self._name = f"{found.topic}-{found.partition}-{found.row.offset}"
        self._value = msgspec.json.format(bytes(split(found.row.entry)[VALUE]).decode(), indent=2)

    def text(self, value: str | None, file: str | None) -> str | None:
        """The new value as JSON, checked as far as can be; None where it is the one that it has.

        Raises:
            Refused: it is no JSON, or no value of the topic, or the editor failed.
        """
        if value is None and file is None:
            return self._from_editor()
        return self._checked(value if value is not None else _read(file or "-"))

    def _checked(self, text: str) -> str | None:
        try:
            new = msgspec.json.format(text, indent=2)
        except msgspec.MsgspecError as error:
            raise Refused(f"the new value is no JSON: {misfit(error, text)}") from None
        if new == self._value:
            return None
        if self._stage is not None:
            edited(self._entry, new, self._stage.topic, Codec(self._stage.topic.type))
        return msgspec.json.format(new, indent=-1)

    def _from_editor(self) -> str | None:
        if not sys.stdin.isatty():
            raise Refused("there is no terminal for an editor; say --value JSON or --file F")
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix=f"{self._name}-", suffix=".json", delete=False
        ) as file:
            file.write(self._value + "\n")
        path = Path(file.name)
        try:
            _call_editor(path)
            text = path.read_text("utf-8-sig")
        except BaseException:
            path.unlink()
            raise
        try:
            new = self._checked(text)
        except Refused as error:
            raise Refused(f"{error}; what was written is kept in {path}, for --file") from None
        path.unlink()
        return new


def declared(found: Found, app: str | None) -> Stage | None:
    """The stage of a parked record, where its app is named or installed."""
    owner = found.stage.partition(".")[0]
    if app is None and owner not in load.installed():
        return None
    stages = load.app(app or owner).stages
    if app is not None and found.stage not in stages:
        raise Refused(f"{app} has no stage {found.stage}; it has {', '.join(stages) or 'none'}")
    return stages.get(found.stage)


def _call_editor(path: Path) -> None:
    command = Config.read().editor()
    try:
        code = subprocess.call([*shlex.split(command), str(path)])
    except (OSError, ValueError) as error:
        raise Refused(f"the editor {command!r} cannot be started: {error}; EDITOR names another") from None
    if code != 0:
        raise Refused(f"the editor {command!r} ended with {code}; nothing was asked for")


def _read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read: {error}") from error
