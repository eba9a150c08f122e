"""`onward table`: documents of a table, and how one came to be what it is."""

from __future__ import annotations

from .conftest import Command, until

PROGRAM = """
import time
from onward import App, Lifecycle, Retry
from msgspec import Struct

class Order(Struct):
    customer: str
    cents: int

class Account(Struct):
    customer: str
    cents: int = 0
    orders: int = 0

app = App("shop")
orders = app.topic("orders", Order, key="customer", partitions=2)
accounts = app.table("accounts", Account, key="customer", index=["cents"], lifecycle=Lifecycle({"good": "bad"}))

@app.stage(orders, retry=Retry(first="10ms", most="10ms"))
def book(order: Order) -> None:
    time.sleep(0.0005)
    for key in (order.customer, "all"):
        account = accounts.get(key) or Account(key)
        account.cents += order.cents
        account.orders += 1
        accounts.put(account)
    if order.cents < 0:
        accounts.move(order.customer, "bad")
"""


def _shop(command: Command, *cents: int) -> None:
    (command.folder / "shop.py").write_text(PROGRAM)
    lines = [f'{{"customer": "c{at % 7}", "cents": {one}}}\n' for at, one in enumerate(cents)]
    command("put", "orders", "--app", "shop.py", said="".join(lines))


def test_documents_and_history(command: Command) -> None:
    _shop(command, 5, 7, -1)
    command("run", "shop.py", "--once")
    lines = command.lines("table", "accounts")
    assert [(line["key"], line["state"], line["version"], line["value"]["cents"]) for line in lines] == [
        ("all", "good", 3, 11), ("c0", "good", 1, 5), ("c1", "good", 1, 7), ("c2", "bad", 2, -1),
    ]  # fmt: skip
    assert lines[0]["table"] == "shop.accounts"
    [line] = command.lines("table", "shop.accounts", "c2")
    assert line == lines[3]
    put, move = command.lines("table", "accounts", "c2", "--history")
    assert (put["action"], put["by"], put["version"]) == ("put", "shop.book", 1)
    assert (move["action"], move["state"], move["origin"]) == ("move", "bad", put["origin"])
    assert put["origin"].startswith("shop.orders:")
    plain = command("table", "accounts", "--limit", "2").stdout.splitlines()
    assert [line.split("\t")[0] for line in plain] == ["all", "c0"] and plain[1].endswith('"orders":1}')
    assert "\tmove\tshop.book\tshop.orders:" in command("table", "accounts", "c2", "--history").stdout


def test_what_is_not_there(command: Command) -> None:
    assert "no store" in command("table", "accounts", exits=2).stderr
    _shop(command, 5)
    assert "shop.accounts" in command("table", "other", exits=2).stderr.splitlines()[-1]
    for more in ([], ["--history"]):
        assert "no document 'c9'" in command("table", "accounts", "c9", *more, exits=1).stderr.splitlines()[-1]
    assert "name its KEY" in command("table", "accounts", "--history", exits=2).stderr
    assert command("table", "accounts").stdout == ""


def test_kills_lose_and_repeat_nothing(command: Command) -> None:
    _shop(command, *[1] * 4_000)
    done = 0
    for _ in range(3):
        process = command.start("run", "shop.py")
        until(lambda: command.stage("shop.book")["done"] > done)  # noqa: B023
        process.kill()
        process.wait()
        done = command.stage("shop.book")["done"]
        [line] = command.lines("table", "accounts", "all")
        assert line["value"]["orders"] == done
    command("run", "shop.py", "--once")
    assert {line["key"]: line["value"]["orders"] for line in command.lines("table", "accounts")}["all"] == 4_000
    command.accounted()
