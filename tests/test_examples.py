"""Every example prints what its closing comment says, and is short enough to be read at once."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
MOST_LINES = 60


def expected(text: str) -> str:
    """The comment block at the end of a program, without its marks."""
    lines = text.splitlines()
    start = len(lines)
    while start and lines[start - 1].startswith("#"):
        start -= 1
    return "".join(line.removeprefix("#").removeprefix(" ") + "\n" for line in lines[start:])


def alike(said: str, printed: str) -> bool:
    """Line by line; a line with `...` word by word, each `...` being any word."""
    lines, found = said.splitlines(), printed.splitlines()
    return len(lines) == len(found) and all(map(_line, lines, found))


def _line(said: str, printed: str) -> bool:
    if "..." not in said:
        return said == printed
    words, found = said.split(), printed.split()
    return len(words) == len(found) and all(word in ("...", other) for word, other in zip(words, found, strict=True))


def test_the_index_has_each_of_them() -> None:
    listed = re.findall(r"^\| \[(\S+)\]", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [file.name for file in EXAMPLES]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_prints_what_it_says(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert expected(text), "it ends in its expected output, as a comment"
    given = [request.getfixturevalue("postgres")] if file.stem.endswith("_postgres") else []
    ran = subprocess.run([sys.executable, str(file), *given], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert alike(expected(text), ran.stdout), ran.stdout
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"
