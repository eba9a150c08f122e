"""Every example prints what its closing comment says, and is short enough to be read at once."""

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


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_prints_what_it_says(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert expected(text), "it ends in its expected output, as a comment"
    ran = subprocess.run([sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, expected(text)), ran.stderr
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"
