"""A new file that appears under its name when it is whole and on disk, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from onward.errors import Refused


@contextlib.contextmanager
def whole(to: Path) -> Iterator[Path]:
    """Gives a file beside it to be written; at the end that gets the name.

    Raises:
        Refused: there is something of this name already, at the beginning or at the end.
    """
    taken = f"{to} is there already; a backup overwrites nothing, name another file"
    if os.path.lexists(to):
        raise Refused(taken)
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        yield part
        _sync(part)
        try:
            os.link(part, to)  # unlike a renaming it never takes the place of something
        except FileExistsError as error:
            raise Refused(taken) from error
        except OSError:  # a file system without links
            os.rename(part, to)
        _sync(to.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()


def why_not(to: Path) -> str:
    """Why a file cannot be made."""
    if not to.parent.is_dir():
        return f"there is no folder {to.parent}"
    return "its folder cannot be written" if not os.access(to.parent, os.W_OK) else "it cannot be opened"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
