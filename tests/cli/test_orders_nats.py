"""The loader tells of its deliveries over NATS: each once and in order, whatever becomes of server and loader."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from datetime import datetime

from cli.conftest import Command, until
from cli.test_orders import portfolios, rows, said, write
from servers.nats import Nats, own
from servers.proxy import proxy

SUBJECT = "paper-engine.meta.orders.change"
STREAM = "paper-engine"
AT_ONCE = ("--min_sleep", "0", "--max_sleep", "0")
DELIVERED = "SELECT count(*) FROM loader_deliveries"
TOLD = "SELECT count(*) FROM loader_deliveries WHERE notified_at IS NOT NULL"


def deliver(command: Command, first: int, last: int) -> None:
    """Writes a file for each number and waits until it is delivered, one after another."""
    for number in range(first, last + 1):
        write(command, f"entity_3/20250301-1011{number:05}.csv", portfolios(number, op="I,"))
        until(lambda number=number: delivered(command) == number)


def delivered(command: Command) -> int:
    return count(command, DELIVERED)


def count(command: Command, statement: str) -> int:
    made = (command.folder / "orders.db").exists()
    there = made and rows(command, "SELECT 1 FROM sqlite_schema WHERE name = 'loader_deliveries'")
    return rows(command, statement)[0][0] if there else 0


def ids(server: Nats) -> list[str]:
    return [message.id for message in server.messages(STREAM)]


def stopped(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said(out)


def test_a_message_says_what_was_changed_and_the_delivery_when_it_was_told(command: Command, nats: Nats) -> None:
    write(command, "entity_3/LOAD00000001.csv", portfolios(1, 2, 3))
    write(command, "entity_3/20250301-101112123.csv", portfolios(1, op="D,"))
    write(command, "entity_3/20250301-101112124.csv", portfolios(2, op="U,"))  # changes nothing
    lines = said(command("orders", "--no-service", NATS=nats.url).stdout)
    assert f"NATS: {nats.url}." in lines
    assert [line for line in lines if "published" in line] == [
        "Delivery 1: messages published.",
        "Delivery 2: messages published.",
    ]
    first, second = nats.messages(STREAM)
    assert (first.subject, first.id, second.id) == (SUBJECT, "orders:1", "orders:2")
    body = json.loads(second.body)
    assert list(body) == ["v", "ds", "id", "host", "utcts", "stats", "max_event_id"]
    assert (body["v"], body["ds"], body["id"], body["max_event_id"]) == (1, "paper-engine", "orders", 4)
    assert body["stats"]["entity_3"] == {"AMEND": 0, "CREATE": 0, "REMOVE": 1}
    assert body["stats"]["entity_1"] == {"AMEND": 0, "CREATE": 0, "REMOVE": 0}
    assert datetime.fromisoformat(body["utcts"]).tzinfo is None
    [(one,), (two,), (three,)] = rows(command, "SELECT notified_at FROM loader_deliveries ORDER BY delivery_id")
    assert datetime.fromisoformat(one) <= datetime.fromisoformat(two) and three is None
    command.accounted()


def test_ten_deliveries_while_nats_is_away_are_ten_messages_once_it_is_there(command: Command) -> None:
    with own() as server:
        process = command.start("orders", *AT_ONCE, NATS=server.url)
        deliver(command, 1, 10)  # nothing is held up
        assert count(command, TOLD) == 0
        server.start()
        until(lambda: count(command, TOLD) == 10)
        assert ids(server) == [f"orders:{number}" for number in range(1, 11)]
        deliver(command, 11, 12)
        until(lambda: count(command, TOLD) == 12)
        lines = stopped(process)
        assert ids(server) == [f"orders:{number}" for number in range(1, 13)]
    assert any(line.startswith(f"orders.notify is tripped: {server.url}") for line in lines)
    assert [line for line in lines if "published" in line] == [
        f"Delivery {number}: messages published." for number in range(1, 13)
    ]
    command.accounted()


def test_onward_run_brings_all_though_nats_is_away(command: Command) -> None:
    with own() as server:
        for number in range(1, 11):
            write(command, f"entity_3/20250301-1011{number:05}.csv", portfolios(number, op="I,"))
        process = command.start("run", "orders", NATS=server.url)
        until(lambda: delivered(command) == 10)
        server.start()
        until(lambda: count(command, TOLD) == 10, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert ids(server) == [f"orders:{number}" for number in range(1, 11)]
    command.accounted()


def test_a_server_that_is_killed_and_comes_back_has_all_once(command: Command, nats: Nats) -> None:
    process = command.start("orders", *AT_ONCE, NATS=nats.url)
    deliver(command, 1, 3)
    nats.kill()
    deliver(command, 4, 6)
    nats.start()
    deliver(command, 7, 8)
    until(lambda: count(command, TOLD) == 8)
    stopped(process)
    assert ids(nats) == [f"orders:{number}" for number in range(1, 9)]
    command.accounted()


def test_a_loader_that_is_killed_before_it_heard_the_answer_tells_once(command: Command, nats: Nats) -> None:
    """The message is in the stream, and nobody here knows."""
    with proxy(nats.port) as way:
        url = f"nats://127.0.0.1:{way.port}"
        process = command.start("orders", *AT_ONCE, NATS=url)
        deliver(command, 1, 1)
        until(lambda: count(command, TOLD) == 1)
        way.hold(b'"seq"')
        deliver(command, 2, 2)
        assert way.held.wait(30)
        process.kill()
        process.wait()
        assert ids(nats) == ["orders:1", "orders:2"]
        assert count(command, TOLD) == 1
        way.let_go()
        process = command.start("orders", *AT_ONCE, NATS=url)
        until(lambda: count(command, TOLD) == 2)
        deliver(command, 3, 3)
        until(lambda: count(command, TOLD) == 3)
        stopped(process)
    assert ids(nats) == ["orders:1", "orders:2", "orders:3"]
    command.accounted()


def test_whoever_is_killed_whenever_each_delivery_is_told_once_and_in_order(command: Command, nats: Nats) -> None:
    """Loader and server are killed again and again while messages are on their way."""
    chance, written = random.Random(4), 0
    for round_ in range(5):
        for _ in range(4):
            written += 1
            write(command, f"entity_3/20250301-1011{written:05}.csv", portfolios(written, op="I,"))
        process = command.start("orders", *AT_ONCE, NATS=nats.url)
        enough = written - chance.randrange(4)
        until(lambda enough=enough: len(ids(nats)) >= enough)
        time.sleep(chance.uniform(0, 0.02))
        if round_ < 4:
            process.kill()
            process.wait()
        if round_ % 2:
            nats.kill()
            nats.start()
    until(lambda: count(command, TOLD) == written)
    stopped(process)
    assert ids(nats) == [f"orders:{number}" for number in range(1, written + 1)]
    command.accounted()


def test_a_wrong_password_is_told_and_not_shown_and_loading_goes_on(command: Command) -> None:
    with own("--user", "me", "--pass", "rightword") as server:
        server.start()
        url = f"nats://me:s3cretword@127.0.0.1:{server.port}"
        process = command.start("orders", *AT_ONCE, NATS=url)
        deliver(command, 1, 2)
        told = "\n".join(stopped(process))
    assert "NATS: nats://me:***@127.0.0.1" in told and "Authorization Violation" in told
    told += command("config", "orders", NATS=url).stdout + command("doctor", "orders", NATS=url, exits=None).stdout
    stored = b"".join(path.read_bytes() for path in command.folder.iterdir() if path.is_file())
    assert "s3cretword" not in told and b"s3cretword" not in stored


def test_without_a_stream_it_is_told_how_one_is_made_and_nothing_is_lost(command: Command, nats: Nats) -> None:
    process = command.start("orders", *AT_ONCE, NATS=nats.url, NATS_STREAM="")
    deliver(command, 1, 2)
    lines = stopped(process)
    assert any(f"no stream takes {SUBJECT}" in line and "nats stream add" in line for line in lines)
    nats.add_stream("mine", ["paper-engine.>"])
    command("orders", "--no-service", NATS=nats.url)
    assert [message.id for message in nats.messages("mine")] == ["orders:1", "orders:2"]


def test_without_nats_messages_are_kept_and_can_be_published_later(command: Command, nats: Nats) -> None:
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    command("orders", "--no-service")
    assert command.stage("orders.notify")["dropped"] == 1
    command("replay", "orders.notify", "--from", "start")
    command("orders", "--no-service", NATS=nats.url)
    assert ids(nats) == ["orders:1"]


def test_switched_off_nothing_is_told_and_a_dry_run_tells_nothing(command: Command, nats: Nats) -> None:
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    command("orders", "--no-service", "--dry-run", NATS=nats.url)
    shown = command("run", "orders", "--dry-run", NATS=nats.url)
    assert '"max_event_id"' in shown.stdout or "orders.notify" in shown.stdout
    command("orders", "--no-service", "--no-notifications", NATS=nats.url)
    assert delivered(command) == 1 and nats.messages(STREAM) == []


def test_a_delivery_that_changed_nothing_is_told_if_wished(command: Command, nats: Nats) -> None:
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    write(command, "entity_3/20250301-101112124.csv", portfolios(1, op="U,"))
    command("orders", "--no-service", "--notify-empty", NATS=nats.url)
    assert ids(nats) == ["orders:1", "orders:2"]
