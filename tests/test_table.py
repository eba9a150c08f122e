"""Tables as a program uses them: calls, conditions, states, and what is read through changes that are not committed."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

import onward
from onward import App, Conflict, Lifecycle, MoveRefused, Table, Unavailable
from onward.changes import Changes, Pending, bound
from onward.declaration import spec_of
from onward.errors import BadDocument, BadOutput, DeclarationError, NoDocument, NotIndexed, Refused, StoreAway
from onward.log import TableSpec
from onward.logs.memory_tables import MemoryTables
from scenarios.ground import Ground


class Colour(Enum):
    red = "red"
    blue = "blue"


class Item(Struct, rename="camel"):
    id: int
    size_in_cm: int | None = None
    colour: Colour = Colour.red
    made: datetime | None = None
    ready: bool = False
    tags: list[str] = field(default_factory=list)


class Case(Struct):
    name: str
    state: str | None = None


MOVES = {"new": ["open", "done"], "open": "done", "done": [], "old": ["new"]}

app = App("shop")
notes = app.topic("notes", str)
items = app.table("items", Item, key="id", index=["size_in_cm", "colour", "made", "ready"])
cases = app.table("cases", Case, key="name", lifecycle=Lifecycle(MOVES, first=["new", "old"]))
loose = app.table("loose", key=lambda value: (value["a"], 1), lifecycle=Lifecycle(MOVES))


def store() -> MemoryTables:
    made = MemoryTables()
    for table in spec_of(app).tables:
        made.declare(table)
    return made


def changes(beneath: Any = None) -> Changes:
    return Changes(beneath or store(), "me", lambda: 5.0)


# one by one


def test_put_get_delete() -> None:
    with bound(changes()):
        assert items.get(1) is None and items.get(1, "none") == "none" and items.delete(1) is False
        items.put(Item(1, 5))
        first = items.get("1")
        assert first == Item(1, 5)
        first.size_in_cm = 7
        assert items.get(1) == Item(1, 5)  # each has a document of its own
        items.put(first)
        assert items.get(1) == Item(1, 7) and items.find() == [Item(1, 7)]
        assert items.delete(1) is True and items.get(1) is None and items.find() == []
        items.put(Item(1))
        assert [(one.version, one.action, one.value and one.value.size_in_cm) for one in items.history(1)] == [
            (1, "put", 5), (2, "put", 7), (3, "delete", None), (4, "put", None),
        ]  # fmt: skip


def test_what_is_no_document_or_no_key_is_refused() -> None:
    with bound(changes()):
        with pytest.raises(BadOutput, match=r"no document of table shop\.items"):
            items.put(Item("x"))  # type: ignore[arg-type]
        with pytest.raises(BadOutput, match="shop"):
            items.put(Item(1, object()))  # type: ignore[arg-type]
        with pytest.raises(BadOutput, match="without a key"):
            cases.put(Case(None))  # type: ignore[arg-type]
        with pytest.raises(Refused, match="no key"):
            items.get(None)
        loose.put({"a": "x"})
        assert loose.get(("x", 1)) == {"a": "x"} == loose.get('["x",1]')


def test_conditions() -> None:
    with bound(changes()):
        days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
        for number, day in enumerate(days):
            items.put(Item(number, 10 * number, Colour.blue if number else Colour.red, day, number == 1))

        def ids(*where: Any, **more: Any) -> list[int]:
            return [item.id for item in items.find(*where, **more)]

        assert ids(colour=Colour.blue) == ids(colour="blue") == [1, 2]
        assert ids(made__gt=days[0]) == [1, 2] and ids(made__ge=days[0], made__lt=days[2]) == [0, 1]
        assert ids(ready=True) == [1] and ids({"ready": False}) == [0, 2]
        assert ids(colour="blue", size_in_cm__le=10) == [1]
        assert ids(order="-size_in_cm", limit=2) == [2, 1] and ids(limit=0) == []
        for bad in ({"id": 1}, {"size": 1}, {"id__ge": 1}, {"order": "id"}):
            with pytest.raises(NotIndexed, match="it is by size_in_cm, colour, made, ready"):
                items.find(**bad)
        with pytest.raises(Refused, match="size_in_cm__ge=None"):
            items.find(size_in_cm__ge=None)
        with pytest.raises(Refused, match="colour="):
            items.find(colour=object())


def test_states_beside_the_documents() -> None:
    with bound(changes()):
        loose.put({"a": 1})
        key = (1, 1)
        assert loose.state(key) == "new" and loose.get(key) == {"a": 1}
        loose.move(key, "open")
        loose.put({"a": 1, "more": True})
        assert loose.state(key) == "open"
        with pytest.raises(MoveRefused, match=r"from 'open' to 'new'; allowed: done") as refused:
            loose.move(key, "new")
        assert (refused.value.before, refused.value.after, refused.value.allowed) == ("open", "new", ("done",))
        loose.move(key, "done")
        with pytest.raises(MoveRefused, match="from 'done' to 'done'; allowed: nothing"):
            loose.move(key, "done")
        with pytest.raises(NoDocument):
            loose.move("other", "open")
        with pytest.raises(Refused, match="has no states"):
            items.move(1, "open")
        assert [(one.action, one.state) for one in loose.history(key)] == [
            ("put", "new"), ("move", "open"), ("put", "open"), ("move", "done"),
        ]  # fmt: skip


def test_states_in_the_documents() -> None:
    with bound(changes()):
        cases.put(Case("a"))
        cases.put(Case("b", "old"))
        assert cases.get("a") == Case("a", "new")
        with pytest.raises(MoveRefused, match="cannot begin as 'open'; allowed: new, old"):
            cases.put(Case("c", "open"))
        cases.move("a", "open")
        assert cases.get("a") == Case("a", "open")
        cases.put(Case("a", "done"))
        with pytest.raises(MoveRefused, match="from 'done' to 'open'"):
            cases.put(Case("a", "open"))
        assert cases.find(state="done") == [Case("a", "done")]
        cases.delete("a")
        cases.put(Case("a"))
        assert cases.state("a") == "new"


def test_a_document_of_another_version_of_the_program() -> None:
    class Older(Struct):
        id: int

    class Newer(Struct):
        id: int
        size: int = 7
        more: str = "more"

    class Other(Struct):
        id: int
        needed: str

    beneath = store()
    older, newer, other = (Table("shop.items", type_, key="id", index=["id"]) for type_ in (Older, Newer, Other))
    made = Changes(beneath, "me", lambda: 5.0)
    older.through(made).put(Older(1))
    assert newer.through(made).get(1) == Newer(1)
    with pytest.raises(BadDocument, match=r"document '1' does not fit the table's type: .*needed"):
        other.through(made).get(1)


def test_faults_of_a_declaration() -> None:
    app = App("shop")
    app.table("a", Item, key="name", index=["size"])
    app.table("b", Item, key="id", lifecycle=Lifecycle({}))
    app.table("d", Item, key="id", lifecycle=Lifecycle({"x": "y"}, first="z"))
    app.table("c", Item, key="id")
    app.table("c", Item, key="id")
    with pytest.raises(DeclarationError) as found:
        app.check()
    said = "\n".join(fault.what for fault in found.value.faults)
    assert "key='name' is no field" in said and "index='size' is no field" in said
    assert said.count("a life-cycle has states") == 2 and "shop.c is already declared" in said


def test_the_declaration_names_fields_as_they_are_stored() -> None:
    spec = spec_of(app).tables[0]
    assert isinstance(spec, TableSpec) and [(one.name, one.json, one.otherwise) for one in spec.index] == [
        ("size_in_cm", "sizeInCm", "null"), ("colour", "colour", '"red"'), ("made", "made", "null"),
        ("ready", "ready", "false"),
    ]  # fmt: skip


# through layers


def test_a_change_is_made_on_what_the_call_has_read() -> None:
    beneath = store()
    mine, other = Changes(beneath, "me", lambda: 5.0), Changes(beneath, "other", lambda: 5.0)
    mine.mark(0, 0)
    read = items.through(mine).get(1)
    found = items.through(mine).find()
    items.through(other).put(Item(1, 5))
    beneath.write(other.edits)
    assert read is None and found == []
    items.through(mine).put(Item(1, 6))
    with pytest.raises(Conflict, match="has version 1 by now, it was read at version 0"):
        beneath.check(mine.edits)
    mine.back()
    mine.mark(1, 1)
    assert items.through(mine).get(1) == Item(1, 5)


@given(st.data())
def test_what_is_read_through_the_layers_is_what_a_plain_dict_would_say(data: st.DataObject) -> None:
    beneath = store()
    pending = Pending(beneath)
    truth: dict[int, Item] = {}
    edits_of: list[Any] = []
    for _ in range(data.draw(st.integers(1, 4))):
        unit = Changes(pending, "me", lambda: 5.0)
        table = items.through(unit)
        for call in range(data.draw(st.integers(1, 4))):
            unit.mark(call, call)
            before = dict(truth)
            for _ in range(data.draw(st.integers(1, 3))):
                key = data.draw(st.integers(0, 3))
                if data.draw(st.booleans()):
                    truth[key] = Item(key, data.draw(st.integers(0, 3)))
                    table.put(truth[key])
                else:
                    assert table.delete(key) is (truth.pop(key, None) is not None)
            if data.draw(st.booleans()):
                unit.back()
                truth = before
            assert [table.get(key) for key in range(4)] == [truth.get(key) for key in range(4)]
            size, limit = data.draw(st.integers(0, 3)), data.draw(st.none() | st.integers(0, 3))
            fitting = [item for _, item in sorted(truth.items()) if (item.size_in_cm or 0) >= size]
            assert table.find(size_in_cm__ge=size, limit=limit) == fitting[:limit]
            fitting.sort(key=lambda item: (item.size_in_cm, str(item.id)), reverse=True)
            assert table.find(size_in_cm__ge=size, order="-size_in_cm", limit=limit) == fitting[:limit]
        assert pending.take(unit.edits)
        edits_of.append(unit.edits)
        while edits_of and data.draw(st.booleans()):
            edits = edits_of.pop(0)
            beneath.check(edits)
            beneath.write(edits)
            pending.committed(edits)
    for key in range(4):
        versions = [change.version for change in items.through(Changes(pending, "me", lambda: 5.0)).history(key)]
        assert versions == list(range(1, len(versions) + 1))


def test_a_unit_on_an_older_document_is_not_taken() -> None:
    pending = Pending(store())
    first, second = (Changes(pending, "me", lambda: 5.0) for _ in range(2))
    for unit in (first, second):
        items.through(unit).get(1)
    for unit in (first, second):
        items.through(unit).put(Item(1))
    assert pending.take(first.edits) and not pending.take(second.edits)


def test_a_store_that_is_away_is_an_outage_to_handlers() -> None:
    class Away(MemoryTables):
        def get(self, table: str, key: str) -> Any:
            raise StoreAway("locked")

        def find(self, query: Any) -> Any:
            return self.get("", "")

        history = get

    table = items.through(Changes(Pending(Away()), "me", lambda: 5.0))
    for call in (lambda: table.get(1), lambda: table.find(), lambda: table.history(1), lambda: table.put(Item(1))):
        with pytest.raises(Unavailable, match="a table cannot be read: locked"):
            call()


# by a client


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_a_client_changes_tables_with_records_or_not_at_all(ground: Ground) -> None:
    with onward.open(app, ground.url) as client:
        with client.commit() as c:
            c.table(items).put(Item(1, 5))
            items.put(Item(2, 6))  # bound to the block, too
            assert c.table("items").find(size_in_cm__ge=6) == [Item(2, 6)]
            c.put(notes, "both")
        table = client.table("items")
        assert table.find() == [Item(1, 5), Item(2, 6)] and ground.values(notes) == ["both"]
        with pytest.raises(ZeroDivisionError), client.commit() as c:
            items.delete(1)
            c.put(notes, "no")
            raise ZeroDivisionError
        with pytest.raises(Conflict), client.commit() as c:
            items.get(1)
            table.put(Item(1, 7))
            items.put(Item(1, 8))
            c.put(notes, "no")
        assert table.get(1) == Item(1, 7) and ground.values(notes) == ["both"]
        assert {change.by for change in table.history(1)} == {client._user}
        with pytest.raises(Refused, match="none of app shop"):
            client.table(Table("other.items", Item, key="id"))
        with pytest.raises(NotIndexed):
            table.find(id=1)
        with pytest.raises(Refused, match="outside"):
            items.get(1)


def test_an_async_client_awaits_its_tables(ground: Ground) -> None:
    async def work() -> None:
        async with onward.open(app, ground.url) as client:
            table = client.table(cases)
            await table.put(Case("a"))
            await table.move("a", "open")
            async with client.commit():
                assert cases.get("a") == Case("a", "open")
                cases.put(Case("b"))
            assert await table.find(state="new") == [Case("b", "new")]
            assert await table.get("a") == Case("a", "open") and await table.state("a") == "open"
            assert await table.delete("a") is True and len(await table.history("a")) == 3

    asyncio.run(work())


def test_single_changes_of_many_clients_come_one_after_another(ground: Ground) -> None:
    with onward.open(app, ground.url) as client, onward.open(app, ground.url) as another:

        def work(table: Any) -> None:
            for number in range(20):
                table.put(Item(1, number))

        threads = [threading.Thread(target=work, args=[one.table(items)]) for one in (client, another, client, another)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [change.version for change in client.table(items).history(1)] == list(range(1, 81))
