"""`onward forget`, `backup` and `repartition`: what they do, what they refuse, and what they say."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path

import pytest

from .conftest import SHOP, Command, until


@pytest.fixture
def died(command: Command) -> Command:
    """Of 20 orders number 7 is dead, two are behind it."""
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    return command


def without_mail(command: Command) -> str:
    """The shop without its last stage."""
    text = Path(SHOP).read_text()
    head, _, rest = text.partition("@app.stage(bills)")
    (command.folder / "smaller.py").write_text(head + rest[rest.index("@app.demo") :])
    return "smaller.py"


def test_forget_asks_or_is_told(died: Command) -> None:
    ended = died("forget", "bill", exits=2)
    assert "--yes" in ended.stderr.splitlines()[-1]
    assert "stage shop.bill: 17 records done, 3 parked, 0 outstanding" in ended.stderr
    assert died.stage("shop.bill")["dead"] == 1
    told = died("forget", "bill", "--yes").stdout
    assert told == "forgot stage shop.bill: 17 records done, 3 parked, 0 outstanding\n"
    assert died.lines("parked", "list") == []
    died.accounted()
    assert 'start="first"' in died("run", SHOP, "--once", exits=2).stderr


def test_a_stage_that_is_gone_stays_with_what_it_parked_until_it_is_forgotten(command: Command) -> None:
    command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    smaller = without_mail(command)
    command("run", smaller, "--once", "--set", "bad=7")
    assert command.stage("shop.mail")["state"] == "gone"
    assert command.document("forget", "mail", "--yes") == {
        "stages": ["shop.mail"], "sources": [], "topics": [], "apps": [], "within": [],
    }  # fmt: skip
    assert "shop.mail" not in command("status").stdout
    command.accounted()


def test_forget_a_topic_and_an_app(died: Command) -> None:
    died("pause", "bill")
    assert (
        "stage shop.bill reads topic shop.orders; forget the stage first"
        in died("forget", "orders", "--yes", exits=2).stderr
    )
    told = died("forget", "shop", "--yes").stdout.splitlines()
    assert [line.split()[1] for line in told] == ["stage", "stage", "source", "topic", "topic", "app"]
    assert died.document("status")["apps"] == []
    died.accounted()
    died("run", SHOP, "--once")
    assert died.stage("shop.mail")["done"] == 20


LIBRARY = """
from onward import App

app = App("library")
books = app.topic("books", dict)
shelf = app.table("shelf", dict, key="name")

@app.stage(books, to=())
def keep(book: dict) -> None:
    shelf.put(book)

@app.task
def count() -> int:
    return 1
"""


def test_an_app_goes_with_its_tables_and_runs(command: Command) -> None:
    (command.folder / "library.py").write_text(LIBRARY)
    command("put", "books", "--app", "library.py", said='{"name": "a"}\n{"name": "b"}\n')
    command("run", "library.py", "--once")
    command("task", "library.py", "count")
    told = command("forget", "library", exits=2).stderr
    assert "table library.shelf: 2 documents, and the history of all that it ever had" in told
    assert "task library.count: 1 recorded run" in told
    gone = command("forget", "library", "--yes").stdout
    assert "forgot table library.shelf: 2 documents" in gone and "forgot task library.count: 1 recorded run" in gone


def test_forget_what_nobody_knows(died: Command) -> None:
    assert "there is no stage, source, topic or app 'other'" in died("forget", "other", "--yes", exits=2).stderr
    assert "there is no topic 'bill'" in died("forget", "bill", "--kind", "topic", "--yes", exits=2).stderr


def test_nothing_that_lives_is_forgotten(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said='{"customer": "c", "number": 1}')
    worker = command.start("run", SHOP, "--set", "many=0")
    until(lambda: command.stage("shop.mail")["done"] == 1)
    for name in ("bill", "bills", "shop"):
        assert "runs shop.bill" in command("forget", name, "--yes", exits=2).stderr.splitlines()[-1]
    assert "stop it first" in command("repartition", "orders", "3", exits=2).stderr
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    command("forget", "shop", "--yes")


def test_a_backup_opens_as_a_store(died: Command) -> None:
    told = died.document("backup", "copy.db")
    assert told["bytes"] == (died.folder / "copy.db").stat().st_size > 0
    assert {path.name for path in died.folder.iterdir() if "part" in path.name} == set()
    stages = died.document("status")["apps"][0]["stages"]
    copy = died.document("status", "--store", "sqlite:///copy.db")["apps"][0]["stages"]
    assert [one["done"] for one in copy] == [one["done"] for one in stages]
    died("audit", "--store", "sqlite:///copy.db")
    died("parked", "retry", "--store", "sqlite:///copy.db")
    died("run", SHOP, "--once", "--store", "sqlite:///copy.db")
    assert died.stage("shop.bill")["dead"] == 1  # the store knows nothing of it


def test_a_backup_overwrites_nothing(died: Command) -> None:
    (died.folder / "there.db").write_text("mine")
    assert "overwrites nothing" in died("backup", "there.db", exits=2).stderr
    assert (died.folder / "there.db").read_text() == "mine"
    assert "there is no folder" in died("backup", "no/copy.db", exits=2).stderr
    assert "there is no store at" in died("backup", "x.db", "--store", "sqlite:///none.db", exits=2).stderr
    assert not (died.folder / "x.db").exists()


def test_a_backup_beside_a_worker_is_whole(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said='{"customer": "c", "number": 1}')
    worker = command.start("run", SHOP, "--set", "many=4000", "--set", "slow=0.001")
    until(lambda: command.stage("shop.bill")["done"] > 100)
    for n in range(3):
        command("backup", f"copy{n}.db")
        command("audit", "--store", f"sqlite:///copy{n}.db")
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    command.accounted()
    with sqlite3.connect(command.folder / "copy2.db") as copy:
        assert copy.execute("SELECT count(*) FROM record WHERE topic = 'shop.orders'").fetchone()[0] > 100


def with_partitions(command: Command, number: int) -> str:
    text = Path(SHOP).read_text().replace("partitions=2", f"partitions={number}")
    (command.folder / "other.py").write_text(text)
    return "other.py"


def test_repartition(command: Command) -> None:
    command("run", SHOP, "--once")
    wider = with_partitions(command, 5)
    ended = command("run", wider, "--once", exits=2)
    assert "onward repartition shop.orders 5" in ended.stderr
    told = command("repartition", "orders", "5").stdout
    assert told == "shop.orders has 5 partitions, it had 2; now say partitions=5 in the program\n"
    assert "has 5 partitions in the store and 2 in the program" in command("run", SHOP, "--once", exits=2).stderr
    lines = "\n".join(f'{{"customer": "c{n % 5}", "number": {n}}}' for n in range(20, 40))
    command("put", "orders", "--app", wider, said=lines)
    command("run", wider, "--once")
    assert command.stage("shop.mail")["done"] == 40
    command.accounted()
    orders = command.lines("read", "orders")
    assert len(orders) == 40 and len({one["partition"] for one in orders}) > 2
    assert [one["value"]["number"] for one in command.lines("read", "orders", "--key", "c1")] == [
        one["value"]["number"] for one in orders if one["key"] == "c1"
    ]
    mailed = [line.split() for line in (command.folder / "mailed.txt").read_text().splitlines()]
    for customer in {name for name, _ in mailed}:
        numbers = [int(number) for name, number in mailed if name == customer]
        assert numbers == sorted(numbers)
    command("repartition", "orders", "1")
    narrow = with_partitions(command, 1)
    command("run", narrow, "--once", "--set", "many=50")
    assert len(command.lines("read", "orders")) == 70  # also what lies in partitions that there are no more
    command.accounted()


def test_repartition_says_what_is_outstanding(died: Command) -> None:
    last = died("repartition", "orders", "3", exits=2).stderr.splitlines()[-1]
    assert "stage shop.bill partition" in last and "3 records parked; retry or drop what is" in last
    assert "topic shop.orders was not changed" in last
    assert "there is no topic 'other'" in died("repartition", "other", "3", exits=2).stderr
