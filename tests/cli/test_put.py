"""`onward put`: JSON lines into a topic."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from .conftest import SHOP, Command, until


def _orders(*numbers: int) -> str:
    return "".join(json.dumps({"customer": f"c{number % 5}", "number": number}) + "\n" for number in numbers)


def test_from_standard_input_with_the_key_of_the_topic(command: Command) -> None:
    ended = command("put", "orders", "--app", SHOP, said=_orders(1, 2, 6))
    assert ended.stdout == "" and ended.stderr == "3 records are in shop.orders\n"
    records = command.lines("read", "orders")
    assert {(record["key"], record["value"]["number"]) for record in records} == {("c1", 1), ("c2", 2), ("c1", 6)}
    assert {record["origin"] for record in records} == {None}
    command.accounted()


def test_from_a_file_in_blocks(command: Command) -> None:
    (command.folder / "lines.jsonl").write_text(_orders(*range(2500)) + "\n\n")
    assert command.document("put", "shop.orders", "lines.jsonl", "--app", SHOP) == {
        "topic": "shop.orders",
        "records": 2500,
    }
    assert len(command.lines("read", "shop.orders")) == 2500
    command.accounted()
    command("run", SHOP, "--once", "--set", "many=0")
    assert command.stage("shop.mail")["done"] == 2500


def test_a_store_that_knows_the_topic_needs_no_app(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said=_orders(1))
    command("put", "orders", "-", said='{"customer": "c9", "any": "thing"}')
    [record] = command.lines("read", "orders", "--key", "c9")
    assert record["value"] == {"customer": "c9", "any": "thing"}
    ended = command("put", "parcels", exits=2)
    assert "shop.bills, shop.orders" in ended.stderr.splitlines()[-1]


def test_a_store_that_knows_nothing_asks_for_the_app(command: Command) -> None:
    ended = command("put", "orders", said=_orders(1), exits=2)
    assert "--app" in ended.stderr.splitlines()[-1]
    assert not (command.folder / "onward.db").exists()


def test_stops_at_a_bad_line(command: Command) -> None:
    (command.folder / "lines.jsonl").write_text(_orders(*range(1500)) + '{"customer": "c1"}\n' + _orders(7))
    ended = command("put", "orders", "lines.jsonl", "--app", SHOP, exits=1)
    last = ended.stderr.splitlines()[-1]
    assert "lines.jsonl, line 1501:" in last and "`number`" in last and "1500 records are in" in last
    assert len(command.lines("read", "orders")) == 1500
    command.accounted()


def test_a_line_that_is_no_json(command: Command) -> None:
    ended = command("put", "orders", "--app", SHOP, said=_orders(1) + "{", exits=1)
    assert "standard input, line 2:" in ended.stderr.splitlines()[-1]
    assert len(command.lines("read", "orders")) == 1


def test_a_file_that_is_not_there(command: Command) -> None:
    ended = command("put", "orders", "nothing.jsonl", "--app", SHOP, exits=2)
    assert "nothing.jsonl" in ended.stderr.splitlines()[-1]


def test_records_as_read_prints_them(command: Command) -> None:
    line = {
        "key": "other",
        "time": "2020-01-01T00:00:00Z",
        "headers": {"a": "b"},
        "value": {"customer": "c", "number": 1},
    }
    command("put", "orders", "--app", SHOP, "--records", said=json.dumps(line))
    [record] = command.lines("read", "orders")
    assert record["key"] == "other" and record["headers"] == {"a": "b"}
    assert record["time"] == "2020-01-01T00:00:00.000000Z"
    command("put", "bills", "--app", SHOP, "--records", said=command("read", "orders", "--json").stdout)
    [copy] = command.lines("read", "bills")
    assert {**copy, "topic": "", "partition": 0} == {**record, "topic": "", "partition": 0}


def test_what_comes_slowly_is_in_at_once(command: Command) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "onward", "put", "orders", "--app", SHOP],
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(_orders(1))
    process.stdin.flush()
    until((command.folder / "onward.db").exists)
    until(lambda: command("status", exits=None).returncode == 0)
    until(lambda: command.lines("read", "orders"))
    process.communicate(_orders(2))
    assert process.returncode == 0
    assert len(command.lines("read", "orders")) == 2


def test_an_interrupt_says_how_many_are_in(command: Command) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "onward", "put", "orders", "--app", SHOP], cwd=command.folder, env=command.environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    command.started.append(process)
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(_orders(1, 2, 3))
    process.stdin.flush()
    until(lambda: (command.folder / "onward.db").exists() and len(command.lines("read", "orders")) == 3)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert "interrupted; 3 records of standard input went into shop.orders" in process.stderr.read().splitlines()[-1]
    process.stdin.close()
    process.stderr.close()
    assert len(command.lines("read", "orders")) == 3
