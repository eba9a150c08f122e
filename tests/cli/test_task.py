"""`onward task`: runs a task of an app, or lists its tasks and their runs."""

from __future__ import annotations

import signal

from .conftest import Command, until

PROGRAM = """
import asyncio
import logging
import time
from pathlib import Path

from onward import App, Client, Secret
from msgspec import Struct

class Settings(Struct):
    house: str = "ours"

app = App("shop")
app.settings(Settings)
orders = app.topic("orders")

@app.task
def load(client: Client, settings: Settings, count: int, password: Secret = Secret(""), progress=None) -> dict:
    print("printed")
    logging.getLogger("onward").info("it is %s", password.reveal())
    client.put(orders, *range(count))
    progress(count, 10)
    return {"count": count, "house": settings.house}

@app.task
def hello() -> str:
    return "hello\\nyou"

@app.task
def fails() -> None:
    raise ValueError("no luck")

@app.task
async def sleeps() -> None:
    Path("begun").touch()
    await asyncio.sleep(60)

@app.task
def grinds() -> str:
    Path("begun").touch()
    while not Path("end").exists():
        time.sleep(0.01)
    return "to the end"
"""


def _shop(command: Command) -> str:
    (command.folder / "shop.py").write_text(PROGRAM)
    return "shop.py"


def test_runs_it_with_arguments_and_settings(command: Command) -> None:
    ended = command("task", _shop(command), "load", "count=3", "password=open sesame", "--set", "house=theirs")
    assert ended.stdout == '{"count":3,"house":"theirs"}\n'
    assert "printed" in ended.stderr and "3 of 10" in ended.stderr and "it is ***" in ended.stderr
    assert "open sesame" not in ended.stderr
    assert [record["value"] for record in command.lines("read", "orders")] == [0, 1, 2]
    command.accounted()
    [run] = command.document("task", "shop.py")["runs"]
    assert run["arguments"] == {"count": 3, "password": "***"} and run["outcome"] == "done"
    assert run["result"] == {"count": 3, "house": "theirs"} and run["output"].endswith("it is ***")


def test_text_is_printed_as_it_is(command: Command) -> None:
    assert command("task", _shop(command), "shop.hello").stdout == "hello\nyou\n"
    run = command.document("task", "shop.py", "hello")
    assert (run["id"], run["task"], run["result"]) == (2, "shop.hello", "hello\nyou")


def test_wrong_usage_says_what_there_is(command: Command) -> None:
    shop = _shop(command)
    for arguments, said in [
        (["load"], "needs count=; it takes count: int, password: Secret = ***"),
        (["load", "count=x"], "count='x'"),
        (["load", "count=1", "count=2"], "twice"),
        (["load", "count"], "write ARG=VALUE"),
        (["load", "count=1", "other=2"], "no argument other"),
        (["none"], "shop.fails, shop.grinds, shop.hello, shop.load, shop.sleeps"),
    ]:
        ended = command("task", shop, *arguments, exits=2)
        assert said in ended.stderr.splitlines()[-1] and not ended.stdout
    assert not (command.folder / "onward.db").exists()


def test_one_that_fails(command: Command) -> None:
    shop = _shop(command)
    ended = command("task", shop, "fails", exits=1)
    assert ended.stderr.splitlines()[-1] == "Error: task shop.fails failed: ValueError: no luck"
    assert 'raise ValueError("no luck")' in ended.stderr
    assert command.document("task", shop, "fails", exits=1)["outcome"] == "failed"
    listed = command("task", shop).stdout
    assert "count: int" in listed and "ValueError: no luck" in listed


def test_nothing_to_list(command: Command) -> None:
    assert command.document("task", _shop(command)) == {
        "app": "shop",
        "tasks": [
            {"name": "shop.load", "takes": ["count: int", "password: Secret = ***"]},
            *({"name": f"shop.{name}", "takes": []} for name in ("hello", "fails", "sleeps", "grinds")),
        ],
        "runs": [],
    }
    assert not (command.folder / "onward.db").exists()


def test_a_signal_stops_an_async_def(command: Command) -> None:
    process = command.start("task", _shop(command), "sleeps")
    until((command.folder / "begun").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert command.document("task", "shop.py")["runs"][0]["outcome"] == "stopped"


def test_a_signal_waits_for_a_plain_def(command: Command) -> None:
    process = command.start("task", _shop(command), "grinds")
    until((command.folder / "begun").exists)
    process.send_signal(signal.SIGINT)
    until(lambda: "goes on to its end" in (command.folder / "stderr").read_text())
    (command.folder / "end").touch()
    assert process.communicate(timeout=30)[0] == "to the end\n" and process.returncode == 0


def test_one_that_was_killed_is_lost(command: Command) -> None:
    process = command.start("task", _shop(command), "grinds")
    until((command.folder / "begun").exists)
    process.kill()
    process.wait()
    assert command.document("task", "shop.py")["runs"][0]["outcome"] == "lost"
