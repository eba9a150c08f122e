"""What `onward new` begins a program with: a folder per template, `program.py.txt` and, if it has one, a sample."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from onward.errors import Refused

PROGRAM = "program.py.txt"


def names() -> list[str]:
    """The templates that there are."""
    return sorted(entry.name for entry in files(__name__).iterdir() if entry.joinpath(PROGRAM).is_file())


def write(template: str, name: str, folder: Path) -> list[Path]:
    """Writes `NAME.py` into a folder and, where the template has a sample, `NAME-data/` beside it.

    Returns:
        What was written, the program first.

    Raises:
        Refused: there is no such template, or something of that name is there; then nothing is written.
    """
    if template not in names():
        raise Refused(f"there is no template {template!r}; there are {', '.join(names())}")
    program, data = folder / f"{name}.py", folder / f"{name}-data"
    root = files(__name__) / template
    sample = root / "data"
    made = [program, *([data] if sample.is_dir() else [])]
    for path in made:
        if path.exists():
            raise Refused(f"{path} is there already; take another name, or move it away")
    text = (root / PROGRAM).read_text("utf-8").replace("NAME", name)
    if len(made) > 1:
        _copy(sample, data)
    program.write_text(text, "utf-8")
    return made


def _copy(source: Traversable, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for entry in source.iterdir():
            _copy(entry, target / entry.name)
    else:
        target.write_bytes(source.read_bytes())
