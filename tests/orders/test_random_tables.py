"""Random tables and random files of theirs, from the folder to the database, against dictionaries.

Given entities of any shape, and loads, changes and transactions that follow each other;
when each is found and merged;
then the state is what the dictionaries say, and the event log alone leads to the same state.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from onward_apps.orders.find import Cursor, find
from onward_apps.orders.model import Entity

from .target import Target, Targets

VALUES: dict[str, list[tuple[str, Any]]] = {
    "text": [("a", "a"), ("", ""), ("NULL", "NULL"), ('x,"y"', 'x,"y"'), ("two\nlines", "two\nlines"), ("é", "é")],
    "integer": [("1", 1), ("+2.0e+00", 2), ("-3", -3), ("007", 7)],
    "decimal(6,2)": [("1", "1.00"), ("1.00", "1.00"), ("2.345", "2.35"), ("-0", "0.00"), ("1e1", "10.00")],
    "boolean": [("true", 1), ("0", 0), ("N", 0)],
    "timestamp": [
        ("2025-03-01 10:11:12", "2025-03-01T10:11:12.000000Z"),
        ("2025-03-01T10:11:12.1234567", "2025-03-01T10:11:12.123456Z"),
    ],
}
"""Per type: how a value is written, and how it is stored."""

NULL = object()
Row = tuple[tuple[str, Any], ...]


@st.composite
def entity(draw: st.DrawFn, name: str, token: str) -> Entity:
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    keys = draw(st.integers(1, 2))
    columns = {f"k{n}": "integer" if n else "text" for n in range(keys)}
    columns |= {f"c{n}": type_ for n, type_ in enumerate(types)}
    time = draw(st.booleans())
    return Entity(
        name,
        columns,
        key=[f"k{n}" for n in range(keys)],
        header=draw(st.booleans()),
        load_has_op=draw(st.booleans()),
        timestamp_column="ts" if time else "",
        timestamp_last=time and draw(st.booleans()),
        null_token=token,
        remove_absent=draw(st.booleans()),
    )


@st.composite
def row(draw: st.DrawFn, entity: Entity) -> Row:
    def value(column: Any) -> tuple[str, Any]:
        if column.name in entity.key:
            return draw(st.sampled_from(VALUES["integer"] if column.type == "integer" else VALUES["text"][:4]))
        type_ = f"decimal({column.precision},{column.scale})" if column.type == "decimal" else column.type
        return draw(st.sampled_from([*VALUES[type_], ("", NULL)]))

    return tuple(value(column) for column in entity.fields)


@st.composite
def step(draw: st.DrawFn, entities: list[Entity]) -> tuple:
    which = draw(st.sampled_from(entities))
    changes = st.lists(st.tuples(st.sampled_from("IUD"), row(which)), max_size=6)
    match draw(st.sampled_from(["load", "changes", "changes", "transactions"])):
        case "load":
            return "load", which, draw(st.lists(st.lists(row(which), max_size=4), min_size=1, max_size=3))
        case "changes":
            return "changes", which, draw(changes)
    mixed = draw(st.lists(st.sampled_from(entities), max_size=6))
    return "transactions", None, [(each, draw(st.sampled_from("IUD")), draw(row(each))) for each in mixed]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Entity], list[tuple]]:
    token = draw(st.sampled_from(["", "NULL"]))
    entities = [draw(entity(name, token)) for name in ("one", "two")]
    return entities, draw(st.lists(step(entities), max_size=7))


def field(value: tuple[str, Any], token: str) -> str:
    text, stored = value
    if stored is NULL:
        return token
    if text == token or set(text) & set(',"\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def line(entity: Entity, row: Row, before: list[str]) -> str:
    fields = [field(value, entity.null_token) for value in row]
    time = ["2025-01-01 00:00:00.000000"] if entity.timestamp_column else []
    parts = [*before, *fields, *time] if entity.timestamp_last else [*before, *time, *fields]
    return ",".join(parts) + "\n"


def header(entity: Entity, op: bool) -> str:
    if not entity.header:
        return ""
    time = ["ts"] if entity.timestamp_column else []
    names = [*entity.names, *time] if entity.timestamp_last else [*time, *entity.names]
    return ",".join(["Op"] * op + names) + "\n"


class World:
    """The folder, the database, and the dictionaries that say what is to be in it."""

    def __init__(self, target: Target, entities: list[Entity]) -> None:
        self.target, self.folder, self.entities = target, target.folder, entities
        self.cursor = Cursor()
        self.state: dict[str, dict[tuple, tuple]] = {entity.name: {} for entity in entities}
        self.touched: dict[str, dict[tuple, int]] = {entity.name: {} for entity in entities}
        self.parts: dict[str, list[str]] = {entity.name: [] for entity in entities}
        """The texts of the load that is there."""
        self.merged: dict[str, list[int]] = {entity.name: [] for entity in entities}
        """When each of them was merged last: a part that comes again as it was is no news."""
        self.whole: dict[str, int] = {entity.name: 0 for entity in entities}
        """When a complete load of several parts was last looked through."""
        self.clock = 1_750_000_000
        self.files = 0

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    def do(self, kind: str, entity: Entity | None, content: list) -> None:
        self.files += 1
        stamp = f"20250301{self.files:09}"
        if kind == "transactions":
            lines = [line(each, row, [op, each.name, "dbo"]) for each, op, row in content]
            self.write(f"cdc/CDC_TXN-{stamp}.csv", "".join(lines))
            for each, op, row in content:
                self.change(each, op, row)
        elif kind == "changes":
            assert entity is not None
            lines = [line(entity, row, [op]) for op, row in content]
            self.write(f"{entity.folder}/{stamp[:8]}-{stamp[8:]}.csv", header(entity, True) + "".join(lines))
            for op, row in content:
                self.change(entity, op, row)
        else:
            assert entity is not None
            self.load(entity, content)

    def load(self, entity: Entity, parts: list[list[Row]]) -> None:
        for old in (self.folder / entity.folder).glob("LOAD*"):
            old.unlink()
        op = ["I"] * entity.load_has_op
        texts, merged = [], []
        held = self.parts[entity.name]
        for number, rows in enumerate(parts):
            text = header(entity, entity.load_has_op) + "".join(line(entity, row, op) for row in rows)
            self.write(f"{entity.folder}/LOAD{number + 1:08X}.csv", text)
            same = held[number : number + 1] == [text]
            texts.append(text)
            merged.append(self.merged[entity.name][number] if same else self.files)
            for row in [] if same else rows:
                self.change(entity, "L", row)
        self.write(f"{entity.folder}/_SUCCESS", "")
        self.parts[entity.name], self.merged[entity.name] = texts, merged
        if not entity.remove_absent or texts == held:
            return
        there = {self.key(entity, row) for rows in parts for row in rows}
        before = self.whole[entity.name]
        since = min((when for when in merged if when > before), default=before + 1)
        if len(parts) == 1 and merged == [self.files]:
            since = self.files
        elif held or len(parts) > 1:
            self.whole[entity.name] = self.files
        for key in [key for key in self.state[entity.name] if key not in there]:
            if self.touched[entity.name][key] < since:
                del self.state[entity.name][key]

    def change(self, entity: Entity, op: str, row: Row) -> None:
        key = self.key(entity, row)
        new = tuple(None if stored is NULL else stored for _, stored in row)
        if op == "D":
            self.state[entity.name].pop(key, None)
        elif op != "L" or self.state[entity.name].get(key) != new:
            self.state[entity.name][key] = new
            self.touched[entity.name][key] = self.files

    def key(self, entity: Entity, row: Row) -> tuple:
        return tuple(stored for _, stored in row[: len(entity.key)])

    def deliver(self) -> None:
        by_name = {entity.name: entity for entity in self.entities}
        for file, cursor in find(self.folder, self.entities, self.cursor, transactions="cdc"):
            delivery = self.target.merge(file, by_name.get(file.entity, self.entities))
            assert not delivery.repeated and not file.out_of_order
            self.cursor = msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor)

    def check(self) -> None:
        ids: list[int] = []
        for entity in self.entities:
            if entity.name not in self.target.names():
                assert not self.state[entity.name]
                continue
            columns = ", ".join(entity.names)
            rows = self.target.rows(f"SELECT {columns} FROM {entity.name}")
            assert {row[: len(entity.key)]: row for row in rows} == self.state[entity.name]
            assert len(rows) == len(self.state[entity.name])
            ids += self.replayed(entity)
        assert len(set(ids)) == len(ids)

    def replayed(self, entity: Entity) -> list[int]:
        """The log alone: each event follows from those before it, and all of them lead to the state."""
        columns = [*entity.names, "hash", "event_id", "delivery_id"]
        curr = ["curr_" + name for name in entity.names] + ["curr_hash", "event_id", "delivery_id"]
        prev = ["prev_" + name for name in columns]
        log = f"SELECT event_type, {', '.join(curr)}, {', '.join(prev)} FROM {entity.log} ORDER BY event_id"
        state: dict[tuple, tuple] = {}
        gone: set[tuple] = set()
        ids = []
        for event, *both in self.target.rows(log):
            now, before = tuple(both[: len(curr)]), tuple(both[len(curr) :])
            key = now[: len(entity.key)]
            ids.append(now[-2])
            assert (event in ("CREATE", "RECREATE")) is (key not in state)
            assert event not in ("CREATE", "RECREATE") or (event == "RECREATE") is (key in gone)
            assert before == state.get(key, (None,) * len(columns))
            if event == "REMOVE":
                del state[key]
                gone.add(key)
            else:
                assert (now[-3] == before[-3]) is (event == "POINTLESS_AMEND")
                state[key] = now
        rows = self.target.rows(f"SELECT {', '.join(columns)} FROM {entity.name}")
        assert {row[: len(entity.key)]: row for row in rows} == state
        return ids


def check(targets: Targets, world: tuple[list[Entity], list[tuple]]) -> None:
    entities, steps = world
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder)) as target:
        made = World(target, entities)
        for kind, which, content in steps:
            made.do(kind, which, content)
            made.deliver()
            made.check()


@settings(deadline=None, max_examples=120)
@given(world=worlds())
def test_state_and_log_are_what_the_dictionaries_say(world: tuple[list[Entity], list[tuple]]) -> None:
    check(Targets(), world)


@settings(deadline=None, max_examples=40)
@given(world=worlds())
def test_state_and_log_are_what_the_dictionaries_say_in_postgresql(
    postgres_targets: Targets, world: tuple[list[Entity], list[tuple]]
) -> None:
    check(postgres_targets, world)
