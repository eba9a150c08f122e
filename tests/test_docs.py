"""What the documentation says is there and true; what is there is documented.

Commands and flags are looked after by `tests/cli/test_documented.py`, examples by `tests/test_examples.py`.
"""

from __future__ import annotations

import inspect
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

import onward
from onward import (
    App,
    Checkpoint,
    Database,
    Drop,
    Hold,
    Later,
    Position,
    Record,
    Reject,
    Retry,
    Topic,
    Window,
    load,
    settings,
)
from onward.sql import Statements
from onward.testing import ParkedRecord, TestRun

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for part in ("docs", "examples", "src") for page in (ROOT / part).rglob("*.md"))]
)
PROGRAM = (ROOT / "docs/reference/program.md").read_text()
PYTHON = "".join(file.read_text() for file in sorted((ROOT / "docs/reference/python").glob("*.md")))
STORE = (ROOT / "docs/reference/store.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
README = (ROOT / "README.md").read_text()

FLOW = [
    "App", "Topic", "Record", "Position", "Checkpoint", "Drop", "Later", "Hold", "Reject", "Retry", "Window",
    "Database", "Secret", "Table", "Lifecycle", "open", "Client", "OnwardError", "Conflict", "MoveRefused",
    "Unavailable",
]  # fmt: skip


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def code(text: str) -> set[str]:
    """The words that stand in code, in a line or in a block."""
    spans = re.findall(r"`+([^`]+)`+", text)
    return {word for span in spans for word in re.findall(r"\w+", span)}


# the program


def test_the_public_names_stand_in_flow_order() -> None:
    assert onward.__all__ == FLOW
    assert all(hasattr(onward, name) for name in FLOW)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """What `make reference` runs."""
    return runpy.run_path(str(ROOT / "docs/make_reference.py"))


def test_the_pages_made_from_the_code_are_what_it_says(reference: dict[str, Any]) -> None:
    made = reference["pages"]()
    folder = ROOT / "docs/reference"
    assert {f"python/{file.name}" for file in folder.glob("python/*")} == set(made) - {"commands.md"}
    stale = [name for name, text in made.items() if (folder / name).read_text() != text]
    assert not stale, f"docs/reference: {', '.join(stale)}: a docstring or command has changed; run `make reference`"


def test_what_is_public_says_what_it_takes(reference: dict[str, Any]) -> None:
    assert reference["faults"]() == []


def test_every_public_name_is_documented() -> None:
    assert set(FLOW) <= code(PYTHON) and set(FLOW) <= code(PROGRAM)


@pytest.mark.parametrize(
    "documented",
    [
        App.topic, App.source, App.stage, Topic.record, Topic.key_of, Position, Position.parse, Record, Checkpoint,
        Drop, Later, Hold, Reject, Retry, Window, Database, TestRun, TestRun.put, TestRun.poll, TestRun.until_idle,
        ParkedRecord, onward.open, onward.Client.put, onward.Client.commit, onward.Client.run,
        onward.Client.table, App.task, App.table, onward.Table.find, onward.Table.get, onward.Table.move,
        onward.Lifecycle, TestRun.task, TestRun.table, App.review, TestRun.decide,
    ],
    ids=lambda documented: documented.__qualname__,
)  # fmt: skip
def test_every_option_is_documented(documented: Any) -> None:
    names = [name for name in inspect.signature(documented).parameters if name != "self"]
    assert set(names) | {documented.__name__} <= code(PYTHON)


@pytest.mark.parametrize("class_", [App, onward.Client, onward.Table, Topic, TestRun])
def test_every_method_is_documented(class_: type) -> None:
    ours = {name for name, value in vars(class_).items() if inspect.isfunction(value) and not name.startswith("_")}
    told = {name for name in ours if not (getattr(class_, name).__doc__ or "").startswith("For Onward itself")}
    assert told <= code(PYTHON)


def test_the_imports_of_the_reference_work() -> None:
    for text in blocks(PROGRAM, "python"):
        exec(text, {})


@pytest.mark.parametrize("name", load.installed())
def test_every_setting_of_an_app_is_documented(name: str) -> None:
    app = load.app(name)
    class_ = app.settings_class
    assert app.demo_function is not None
    page = Path(inspect.getfile(app.demo_function)).with_name("README.md")
    assert class_ is None or set(settings.names(class_)) <= code(page.read_text())


# the store


def store() -> apsw.Connection:
    """An empty store, as the migrations make it."""
    made = apsw.Connection(":memory:")
    for migration in Statements("sqlite").migrations:
        made.execute(migration)
    return made


def columns() -> Iterator[tuple[str, set[str]]]:
    """Tables and views of the store, with their columns, as the migrations make them."""
    made = store()
    tables = made.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    for (table,) in tables:
        if not table.startswith("sqlite_"):
            yield table, {row[1] for row in made.execute(f"PRAGMA table_info({table})")}


def test_every_table_and_column_is_documented() -> None:
    for table, names in columns():
        line = next((part for part in STORE.split("\n\n") if part.startswith(f"**`{table}`**")), "")
        line = line or next((part for part in STORE.splitlines() if part.startswith(f"| `{table}` |")), "")
        assert names <= code(line), table


def test_what_a_store_on_postgresql_has_besides_is_documented(postgres: str) -> None:
    page = STORE.partition("## On PostgreSQL")[2].partition("\n## ")[0]
    known = dict(columns())
    with psycopg.connect(postgres) as connection:
        for migration in Statements("postgres").migrations:
            connection.execute("CREATE SCHEMA IF NOT EXISTS onward")
            connection.execute(migration)  # type: ignore[arg-type]
        for text in blocks(STORE, "postgresql"):
            connection.execute(text)  # type: ignore[arg-type]
        found: dict[str, set[str]] = {}
        for table, column in connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'onward'"
        ):
            found.setdefault(table, set()).add(column)
    for table, names in found.items():
        if table not in known:
            assert f"`{table}`" in page, table
        missing = names - known.get(table, names if table.startswith("block_") else set())
        assert missing <= code(page), table


def test_statements_of_the_store_page_run() -> None:
    made = store()
    for text in blocks(STORE, "sql"):
        made.execute(text)


# the tree


def test_every_module_has_its_place_in_the_reading_order() -> None:
    source = ROOT / "src" / "onward"
    there = {file.relative_to(source).as_posix() for file in source.rglob("*.py")} - {
        "logs/__init__.py",
        "observers/__init__.py",
    }
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", ARCHITECTURE.partition("## A commit")[0]))
    assert there - named == set()
    assert named - there == set()


def test_files_and_tests_that_are_named_exist() -> None:
    text = ARCHITECTURE + (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "docs/decisions.md").read_text()
    for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.\w+)`", text):
        assert any((ROOT / folder / name).exists() for folder in ("", "src", "src/onward")), name
    tests = "".join(file.read_text() for file in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("src/**/*.py")])
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_make_targets_that_are_named_exist() -> None:
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= made, page.name


# the README


def included(text: str) -> list[tuple[str, str]]:
    return re.findall(r"<!-- (\S+) -->\n```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_programs_of_the_pages_are_those_of_the_examples() -> None:
    found = [(page, *one) for page in PAGES for one in included(page.read_text())]
    assert found
    for page, file, program in found:
        assert program in (ROOT / file).read_text(), f"{page.name}: {file}"


def session(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of console blocks, each with the lines that it is said to print."""
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield command, lines


def alike(said: str, printed: str) -> bool:
    """Word by word, `...` being any word."""
    pairs = zip(said.split(), printed.split(), strict=False)
    return len(said.split()) == len(printed.split()) and all(a in ("...", b) for a, b in pairs)


def test_the_session_of_the_readme_is_true(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(included(README)[0][1])
    [files] = [block for block in blocks(README, "sh") if "orders.jsonl" in block]
    subprocess.run(["sh", "-c", files], cwd=tmp_path, check=True)
    for command, said in session(README):
        program, *arguments = command.split()
        assert program == "onward"
        ran = subprocess.run(
            [sys.executable, "-m", "onward", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        notes = [line for line in ran.stderr.splitlines() if not line.startswith("{")]
        printed = [*ran.stdout.splitlines(), *notes]
        assert len(said) == len(printed) and all(map(alike, said, printed)), (command, printed)
