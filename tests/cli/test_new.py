"""`onward new`, and commands of apps."""

from __future__ import annotations

import json
import os

from cli.conftest import Command


def test_an_empty_program_runs(command: Command) -> None:
    assert command("new", "greetings").stdout == "greetings.py\n"
    command("put", "found", "--app", "greetings.py", said='{"key": "ann", "text": "hello"}\n')
    command("run", "greetings.py", "--once")
    assert [line["value"] for line in command.lines("read", "told")] == [{"key": "ann", "text": "HELLO"}]


def test_a_loader_is_one_short_file_without_sql_and_dry_runs_at_once(command: Command) -> None:
    assert command("new", "prices", "--from", "loader").stdout == "prices.py\nprices-data\n"
    text = (command.folder / "prices.py").read_text()
    assert len(text.splitlines()) < 60 and "SELECT" not in text and "prices" in text and "NAME" not in text
    said = command("prices.py", "--no-service", "--dry-run").stdout
    assert "would persist {'product': {'CREATE': 3}}" in said
    assert "6 files would make 15 events; nothing was written." in said
    assert set(os.listdir(command.folder)) - {"__pycache__"} == {"prices-data", "prices.py"}
    [deliver] = [
        s for s in command.document("run", "prices.py", "--dry-run")["stages"] if s["name"] == "prices.deliver"
    ]
    assert (deliver["records"], deliver["done"]) == (6, 6)
    assert not (command.folder / "prices.db").exists() and not (command.folder / "onward.db").exists()
    command("run", "prices.py", "--once")
    assert len(command.lines("read", "changes")) == 6
    assert "customer ||--o{ purchase" in command("prices.py", "diagram").stdout


def test_nothing_is_written_over(command: Command) -> None:
    command("new", "x")
    (command.folder / "x.py").write_text("mine")
    (command.folder / "y-data").mkdir()
    assert "x.py is there already" in command("new", "x", exits=2).stderr
    assert "y-data is there already" in command("new", "y", "--from", "loader", exits=2).stderr
    assert (command.folder / "x.py").read_text() == "mine" and not (command.folder / "y.py").exists()
    assert "empty, loader" in command("new", "z", "--from", "nothing", exits=2).stderr
    assert "cannot name an app" in command("new", "run", exits=2).stderr
    assert "cannot name an app" in command("new", "a-b", exits=2).stderr
    assert json.loads(command("new", "z", "--json").stdout) == {"app": "z", "template": "empty", "made": ["z.py"]}


def test_an_app_may_have_a_command_of_its_own(command: Command) -> None:
    (command.folder / "mine.py").write_text(
        "from onward import App\n"
        "app = App('mine')\n"
        "@app.command\n"
        "def hello(name: str, loud: bool = False) -> None:\n"
        "    'Greets.'\n"
        "    print(name.upper() if loud else name)\n"
    )
    assert command("mine.py", "ann", "--loud").stdout == "ANN\n"
    assert "Greets." in command("mine.py", "--help").stdout
    command("mine.py", exits=2)
    command("new", "other")
    assert "app other has no command of its own" in command("other.py", exits=2).stderr
    assert "No such command" in command("nothing", exits=2).stderr
