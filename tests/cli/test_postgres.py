"""The commands on a store on PostgreSQL, each at least once, as on any other store."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from servers import not_run

from .conftest import SHOP, Command, until

PASSWORD = "open-sesame"

DESK = """
from onward import App
from msgspec import Struct

class Draft(Struct):
    name: str
    words: int = 0

app = App("desk")
drafts = app.topic("drafts", Draft, key="name")
articles = app.topic("articles", Draft)
shelf = app.table("shelf", Draft, key="name", index=["words"])

@app.review(drafts, to=articles, choices=["accept", "reject"])
def edit(draft: Draft, decision) -> Draft | None:
    return draft if decision.choice == "accept" else None

@app.stage(articles)
def store(article: Draft) -> None:
    shelf.put(Draft(article.name, article.words + 1))

@app.task
def hello(name: str) -> str:
    return f"hello {name}"
"""


@pytest.fixture
def stored(command: Command, postgres: str) -> Iterator[Command]:
    """Commands on a new database, by a URL with a password in it, which nothing that is said ever shows."""
    command.environment["ONWARD_STORE"] = postgres.replace("postgres@", f"postgres:{PASSWORD}@")
    yield command


def said(command: Command, *arguments: str, exits: int | None = 0) -> str:
    ended = command(*arguments, exits=exits)
    assert PASSWORD not in ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_a_store_is_made_looked_at_and_mended(stored: Command) -> None:
    assert "there is no store at postgresql://postgres:***@" in said(stored, "status", exits=2)
    assert "is not there yet" in said(stored, "doctor", SHOP)
    dry = json.loads(stored("run", SHOP, "--dry-run", "--json").stdout)
    assert [stage["done"] for stage in dry["stages"]] == [20, 20]
    assert "there is no store" in said(stored, "audit", exits=2)

    assert "1 record died" in said(stored, "run", SHOP, "--once", "--set", "bad=7", exits=1)
    assert (stored.stage("shop.bill")["done"], stored.stage("shop.bill")["dead"]) == (17, 1)
    assert "shop.orders" in said(stored, "status")
    assert "every record is accounted for" in said(stored, "audit")
    assert len(stored.lines("read", "bills")) == 17
    assert [line["key"] for line in stored.lines("read", "orders", "--key", "c2", "--limit", "2")] == ["c2", "c2"]
    assert "ValueError: unlucky" in said(stored, "trace", "c2")

    dead, *behind = stored.lines("parked", "list")
    assert (dead["state"], dead["key"], [row["state"] for row in behind]) == ("dead", "c2", ["behind", "behind"])
    position = f"shop.orders:{dead['partition']}:{dead['offset']}"
    assert "unlucky" in said(stored, "parked", "show", position, "--stage", "bill")
    before = stored.document("status")
    dry = json.loads(stored("run", SHOP, "--dry-run", "--json", "--set", "many=25", "--set", "bad=7").stdout)
    assert [(one["before"], one["cursor"]) for one in dry["sources"]] == [(20, 25)]
    assert [(stage["records"], stage["done"]) for stage in dry["stages"]] == [(5, 4), (4, 4)]  # c2 queues behind
    assert PASSWORD not in json.dumps(dry) and stored.document("status") == before
    said(stored, "parked", "edit", position, "--stage", "bill", "--value", '{"customer": "c2", "number": 70}')
    said(stored, "parked", "retry", "--stage", "bill", "--key", "c2")
    said(stored, "run", SHOP, "--once", "--set", "bad=7")
    assert stored.lines("parked", "list") == []
    assert "edit" in said(stored, "trace", position)
    stored.accounted()

    assert stored.document("replay", "bill", "--from", "start", "--key", "c1")["number"] == 1
    said(stored, "run", SHOP, "--once")
    [one] = stored.document("replay", "list")["replays"]
    assert (one["state"], one["done"]) == ("done", 4)
    assert stored.stage("shop.mail")["done"] == 24

    shown = said(stored, "config")
    assert "postgresql://postgres:***@" in shown and PASSWORD not in said(stored, "config", "--json")
    told = {one["name"]: one for one in stored.document("doctor", SHOP)["findings"]}
    assert "PostgreSQL" in told["store: server"]["told"] and told["store: clock"]["state"] == "ok"
    assert "lz4" in told["store: compression"]["told"]
    assert PASSWORD not in json.dumps(told)

    assert "forgot" in said(stored, "forget", "mail", "--yes")
    said(stored, "repartition", "bills", "3")
    assert [(one["name"], one["partitions"]) for one in stored.document("status")["apps"][0]["topics"]] == [
        ("shop.orders", 2),
        ("shop.bills", 3),
    ]
    said(stored, "forget", "shop", "--yes")
    assert stored.document("status")["apps"] == []
    stored.accounted()


def test_tables_reviews_and_tasks(stored: Command) -> None:
    (stored.folder / "desk.py").write_text(DESK)
    stored("put", "drafts", "--app", "desk.py", said='{"name": "a", "words": 5}\n{"name": "b"}\n')
    said(stored, "run", "desk.py", "--once")
    assert [line["key"] for line in stored.lines("review", "list")] == ["a", "b"]
    said(stored, "review", "decide", "a", "accept", "--note", "good")
    said(stored, "review", "decide", "b", "reject")
    said(stored, "run", "desk.py", "--once")
    assert [(line["key"], line["value"]["words"]) for line in stored.lines("table", "shelf")] == [("a", 6)]
    [edit] = stored.lines("table", "shelf", "a", "--history")
    assert (edit["action"], edit["by"], edit["origin"]) == ("put", "desk.store", "desk.articles:0:0")
    assert "hello you" in said(stored, "task", "desk.py", "hello", "name=you")
    [run] = stored.document("task", "desk.py")["runs"]
    assert (run["outcome"], run["result"]) == ("done", "hello you")
    stored.accounted()


def test_beside_a_worker(stored: Command) -> None:
    worker = stored.start("run", SHOP, "--set", "many=9000", "--set", "slow=0.001")
    until(lambda: stored("status", exits=None).returncode == 0 and stored.stage("shop.bill")["done"] > 100)
    watching = stored.start("status", "--watch", "--json")
    lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
    assert [line["apps"][0]["app"] for line in lines] == ["shop", "shop"]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 0
    said(stored, "pause", "bill")
    assert stored.stage("shop.bill")["state"].startswith("paused by")
    stored.accounted()
    assert "runs shop.bill" in said(stored, "forget", "bill", "--yes", exits=2)
    said(stored, "resume", "bill")
    done = stored.stage("shop.bill")["done"]
    until(lambda: stored.stage("shop.bill")["done"] > done)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    stored.accounted()


def test_a_backup_comes_back(stored: Command, postgres: str) -> None:
    if not shutil.which("pg_dump"):
        not_run("pg_dump is not on the path")
    said(stored, "run", SHOP, "--once", "--set", "bad=7", exits=1)
    before = stored.document("status")["apps"][0]["stages"]
    told = stored.document("backup", "copy.dump")
    assert told["bytes"] == (stored.folder / "copy.dump").stat().st_size > 0
    assert "overwrites nothing" in said(stored, "backup", "copy.dump", exits=2)
    assert "there is no folder" in said(stored, "backup", "no/copy.dump", exits=2)
    assert "pg_restore" in said(stored, "backup", "again.dump")
    assert "--schema=onward" in stored("backup", "x.dump", exits=2, PATH="/none").stderr
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA onward CASCADE")
    restore = ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={postgres}", "copy.dump"]
    subprocess.run(restore, cwd=stored.folder, check=True, timeout=60)
    after = stored.document("status")["apps"][0]["stages"]
    assert [(one["done"], one["dead"]) for one in after] == [(one["done"], one["dead"]) for one in before]
    stored.accounted()
    said(stored, "parked", "retry", "--stage", "bill")
    said(stored, "run", SHOP, "--once")
    assert stored.stage("shop.mail")["done"] == 20
