"""`onward read`: what a topic keeps."""

from __future__ import annotations

import json
import signal

from .conftest import SHOP, Command, until

ORDER = '{"customer": "c%d", "number": %d}\n'


def _filled(command: Command, count: int) -> None:
    lines = "".join(ORDER % (number % 5, number) for number in range(count))
    command("put", "orders", "--app", SHOP, said=lines)


def test_partition_by_partition_in_offset_order(command: Command) -> None:
    _filled(command, 2500)
    records = command.lines("read", "orders")
    places = [(record["partition"], record["offset"]) for record in records]
    assert len(places) == 2500 and places == sorted(places)
    assert set(records[0]) == {"topic", "partition", "offset", "key", "time", "headers", "value", "origin"}


def test_by_key_offset_time_and_number(command: Command) -> None:
    _filled(command, 30)
    assert [one["value"]["number"] for one in command.lines("read", "orders", "--key", "c3")] == [3, 8, 13, 18, 23, 28]
    assert {one["offset"] >= 5 for one in command.lines("read", "orders", "--from", "5")} == {True}
    assert len(command.lines("read", "orders", "--from", "5")) == 20
    assert command.lines("read", "orders", "--from", "2999-01-01") == []
    assert len(command.lines("read", "orders", "--from", "2001-01-01T00:00:00Z")) == 30
    assert len(command.lines("read", "orders", "--limit", "7")) == 7
    assert command.lines("read", "orders", "--limit", "0") == []
    ended = command("read", "orders", "--from", "yesterday", exits=2)
    assert "--from is an offset or a time: " in ended.stderr


def test_plain_text_off_a_terminal(command: Command) -> None:
    _filled(command, 30)
    lines = command("read", "orders").stdout.splitlines()
    assert len(lines) == 30
    place, time, key, value = lines[0].split("\t")
    assert place == "shop.orders:0:0" and time.endswith("Z") and json.loads(value)["customer"] == key


def test_follow(command: Command) -> None:
    _filled(command, 3)
    process = command.start("read", "orders", "--follow", "--json", "--limit", "5")
    _filled(command, 2)
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert len(process.stdout.read().splitlines()) == 5


def test_follow_ends_at_an_interrupt(command: Command) -> None:
    _filled(command, 3)
    process = command.start("read", "orders", "--follow", "--json")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    assert until(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_a_topic_that_is_not_there(command: Command) -> None:
    _filled(command, 1)
    ended = command("read", "parcels", exits=2)
    assert ended.stderr == "Error: there is no topic 'parcels'; there are shop.bills, shop.orders\n"


def test_keys_are_one_field_of_one_line(command: Command) -> None:
    command("put", "orders", "--app", SHOP, said=json.dumps({"customer": "a\tb\nc\\\x1b[31m", "number": 1}) + "\n")
    [line] = command("read", "orders").stdout.splitlines()
    assert line.split("\t")[2] == "a\\tb\\nc\\\\\\x1b[31m"
    assert command.lines("read", "orders")[0]["key"] == "a\tb\nc\\\x1b[31m"
