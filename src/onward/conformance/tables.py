"""Tables: documents in versions, committed with all else, found by what is indexed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec.structs import replace

from onward.conformance.case import (
    FEED,
    IN,
    OUT,
    WORK,
    Case,
    Suite,
    app_spec,
    append,
    finishing,
    parked,
    raises,
    scenario,
)
from onward.conformance.committing import ODD
from onward.document import Condition, Edit, Field, Operator, Query
from onward.errors import AlreadyCommitted, Conflict, LeaseLost, Refused
from onward.log import AppSpec, Commit, Forgetting, TableSpec
from onward.task_run import TaskRun

TABLE = "app.items"
SIZE = Field("size", "size", "null")
COLOUR = Field("colour", "color", '"grey"')
STATE = Field("state", "", "null")


def tables_spec(*index: Field, name: str = TABLE, was: str | None = None) -> AppSpec:
    return replace(app_spec(), tables=(TableSpec(name, index or (SIZE, COLOUR, STATE), None, was),))


def edit(key: str = "k", version: int = 1, value: Any = None, state: str | None = None, **more: Any) -> Edit:
    """A change of a document; with no value its deletion."""
    text = None if value is None else msgspec.json.encode(value)
    given: dict[str, Any] = {"at": 5.25, "by": "app.work", "origin": f"{IN}:0:3", **more}
    table = given.pop("table", TABLE)
    return Edit(table, key, version, "delete" if value is None else "put", state, text, **given)


def query(*conditions: tuple[Field, Operator, Any], **more: Any) -> Query:
    return Query(TABLE, tuple(Condition(*one) for one in conditions), **more)


class Tables(Suite):
    @scenario
    async def test_a_document_is_read_back_with_its_history(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        assert case.log.tables.get(TABLE, "k") is None
        first, second = edit(value={"size": 1}, state="new"), edit(version=2, value={"size": 2}, origin=None, by="me")
        await case.log.commit(Commit(tables=[first]))
        assert case.log.tables.get(TABLE, "k") == first.document
        await case.log.commit(Commit(tables=[second]))
        assert case.log.tables.get(TABLE, "k") == second.document
        assert case.log.tables.history(TABLE, "k") == [first, second]
        assert case.books.tables.history(TABLE, "k") == [first, second]
        assert case.books.tables.history(TABLE, "other") == []

    @scenario
    async def test_a_deleted_document_keeps_its_version(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        await case.log.commit(Commit(tables=[edit(value={"size": 1})]))
        await case.log.commit(Commit(tables=[edit(version=2)]))
        found = case.log.tables.get(TABLE, "k")
        assert found is not None and (found.version, found.value) == (2, None)
        assert case.log.tables.find(query()) == [] and case.log.tables.find(query((SIZE, "eq", 1))) == []
        assert await case.books.documents(TABLE, None, 10) == []
        with raises(Conflict):
            await case.log.commit(Commit(tables=[edit(value={"size": 3})]))
        await case.log.commit(Commit(tables=[edit(version=3, value={"size": 3})]))
        assert [one.version for one in case.log.tables.history(TABLE, "k")] == [1, 2, 3]

    @scenario
    async def test_several_changes_of_a_document_in_one_commit(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        edits = [edit(value={"size": 1}), edit("other", value={"size": 7}), edit(version=2, value={"size": 2})]
        await case.log.commit(Commit(tables=edits))
        assert case.log.tables.history(TABLE, "k") == [edits[0], edits[2]]
        assert [one.key for one in case.log.tables.find(query((SIZE, "eq", 2)))] == ["k"]
        assert case.log.tables.find(query((SIZE, "eq", 1))) == []

    @scenario
    async def test_a_commit_on_another_version_keeps_nothing(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        await case.put(*"ab")
        lease = (await case.claim()).lease
        await case.log.commit(Commit(tables=[edit(value={"size": 1})]))
        before = await case.everything()
        for bad in (edit(value={"size": 2}), edit(version=3, value={"size": 2}), edit("new", 2, {"size": 2})):
            edits = [edit("fine", value={"size": 5}), bad]
            with raises(Conflict):
                await case.log.commit(
                    finishing(lease, 0, 1, appends=[append("A", topic=OUT)], park=[parked(1)], tables=edits)
                )
            with raises(Conflict):
                await case.log.commit(Commit(appends=[append("c")], tables=edits))
        assert await case.everything() == before
        assert case.log.tables.get(TABLE, "fine") is None
        assert len(case.log.tables.history(TABLE, "k")) == 1
        good = edit(version=2, value={"size": 2})
        await case.log.commit(finishing(lease, 0, 1, appends=[append("A", topic=OUT)], tables=[good]))
        assert case.log.tables.get(TABLE, "k") == good.document and await case.values(OUT) == ["A"]

    @scenario
    async def test_who_is_too_late_or_comes_twice_changes_no_table(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        await case.put(*"ab")
        old = (await case.claim()).lease
        new = (await case.again()).lease
        with raises(LeaseLost):
            await case.log.commit(finishing(old, 0, 1, tables=[edit(value={"size": 1})]))
        assert case.log.tables.get(TABLE, "k") is None
        commit = finishing(new, 0, 1, tables=[edit(value={"size": 1})])
        await case.log.commit(commit)
        with raises(AlreadyCommitted):  # and not Conflict, which would mean that it was not kept
            await case.log.commit(commit)
        assert len(case.log.tables.history(TABLE, "k")) == 1

    @scenario
    async def test_of_two_who_change_one_document_at_once_one_is_refused(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        came = await asyncio.gather(
            *(case.log.commit(Commit(tables=[edit(value={"size": n})])) for n in range(5)), return_exceptions=True
        )
        assert [type(one) for one in came].count(Conflict) == 4
        assert len(case.log.tables.history(TABLE, "k")) == 1

    @scenario
    async def test_nothing_is_kept_of_a_table_that_nobody_has_declared(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        with raises(Refused):
            await case.log.commit(Commit(tables=[edit(value=1), edit(table="app.unknown", value=1)]))
        assert case.log.tables.get(TABLE, "k") is None

    @scenario
    async def test_odd_keys_and_values(self, case: Case) -> None:
        await case.log.declare(tables_spec(Field("text", "text", "null")))
        edits = [edit(text, value={"text": text, "more": [text, {text: None}]}) for text in ODD]
        await case.log.commit(Commit(tables=edits))
        for one in edits:
            assert case.log.tables.get(TABLE, one.key) == one.document
            found = case.log.tables.find(query((Field("text", "text", "null"), "eq", one.key)))
            assert found == [one.document]
        assert [one.key for one in case.log.tables.find(query())] == sorted(ODD, key=str.encode)

    @scenario
    async def test_documents_are_found_by_equality_and_by_range(self, case: Case) -> None:
        await self._many(case)

        def keys(*conditions: tuple[Field, Operator, Any], **more: Any) -> str:
            return "".join(one.key for one in case.log.tables.find(query(*conditions, **more)))

        assert keys() == "abcdefgh"
        assert keys(limit=3) == "abc"
        assert keys((SIZE, "eq", 2)) == "bc"
        assert keys((SIZE, "eq", None)) == "fg"
        assert keys((SIZE, "eq", 1)) == "ah"  # true is 1
        assert keys((SIZE, "ge", 2)) == "bcd"
        assert keys((SIZE, "gt", 2)) == "d"
        assert keys((SIZE, "le", 2)) == "abch"
        assert keys((SIZE, "lt", 2)) == "ah"
        assert keys((SIZE, "gt", 1), (SIZE, "lt", 3)) == "bc"
        assert keys((SIZE, "ge", "")) == "e" and keys((SIZE, "le", "zz")) == "e"
        assert keys((SIZE, "gt", 1), (SIZE, "lt", "zz")) == ""
        assert keys((SIZE, "eq", 2), (COLOUR, "eq", "red")) == "b"
        assert keys((COLOUR, "eq", "grey")) == "defgh"  # what it is where it is not said
        assert keys((STATE, "eq", "new")) == "ab"

    @scenario
    async def test_documents_are_found_in_order(self, case: Case) -> None:
        await self._many(case)

        def keys(*conditions: tuple[Field, Operator, Any], **more: Any) -> str:
            return "".join(one.key for one in case.log.tables.find(query(*conditions, **more)))

        assert keys(order=SIZE) == "fgahbcde"
        assert keys(order=SIZE, descending=True) == "edcbhagf"
        assert keys(order=SIZE, descending=True, limit=2) == "ed"
        assert keys((SIZE, "ge", 1), order=SIZE, limit=3) == "ahb"
        assert keys((SIZE, "le", 2), order=SIZE, descending=True) == "cbha"
        assert keys((SIZE, "eq", 2), order=SIZE, descending=True) == "cb"
        assert keys((SIZE, "eq", None), order=SIZE) == "fg"
        assert keys((COLOUR, "eq", "grey"), order=SIZE, limit=3) == "fgh"
        assert keys((SIZE, "ge", 1), order=COLOUR) == "acdhb"
        assert keys((SIZE, "gt", 1), order=COLOUR) == "cdb"

    @scenario
    async def test_documents_are_listed_in_pages(self, case: Case) -> None:
        await self._many(case)
        assert [one.key for one in await case.books.documents(TABLE, None, 3)] == ["a", "b", "c"]
        assert [one.key for one in await case.books.documents(TABLE, "f", 3)] == ["g", "h"]

    @scenario
    async def test_another_index_is_made_of_what_is_there(self, case: Case) -> None:
        await case.log.declare(tables_spec(SIZE))
        await case.log.commit(Commit(tables=[edit("a", value={"size": 1}), edit("b", value={"color": "red"})]))
        await case.log.commit(Commit(tables=[edit("c", value={"size": 1}), edit("d", value={"color": "red"})]))
        await case.log.commit(Commit(tables=[edit("d", version=2)]))
        await case.log.declare(tables_spec(COLOUR))
        assert [one.key for one in case.log.tables.find(query((COLOUR, "eq", "red")))] == ["b"]
        assert [one.key for one in case.log.tables.find(query((COLOUR, "eq", "grey")))] == ["a", "c"]
        await case.log.declare(tables_spec(Field("colour", "color", '"blue"')))
        assert [one.key for one in case.log.tables.find(query((COLOUR, "eq", "red")))] == ["b"]

    @scenario
    async def test_a_renamed_table_keeps_all_it_has(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        first = edit(value={"size": 1})
        await case.log.commit(Commit(tables=[first]))
        await case.log.declare(tables_spec(name="app.things", was=TABLE))
        await case.log.declare(tables_spec(name="app.things", was=TABLE))
        moved = replace(first, table="app.things")
        assert case.log.tables.get("app.things", "k") == moved.document
        assert case.log.tables.get(TABLE, "k") is None
        assert case.log.tables.history("app.things", "k") == [moved]
        found = case.log.tables.find(Query("app.things", (Condition(SIZE, "eq", 1),)))
        assert found == [moved.document]
        with raises(Refused):
            await case.log.commit(Commit(tables=[edit("new", value=1)]))

    @scenario
    async def test_with_an_app_its_tables_and_runs_are_forgotten(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        await case.log.declare(AppSpec("app2", (), (), (), tables=(TableSpec("app2.items"),)))
        other = edit(table="app2.items", value=1)
        await case.log.commit(Commit(tables=[edit(value={"size": 1}), other]))
        for task in ("app.load", "app2.load"):
            await case.log.record_run(TaskRun(task, "me", "here/1/2/3", 5.5, b"{}"))
        await case.books.forget(Forgetting((WORK,), (FEED,), (IN, OUT), ("app",)))
        assert case.log.tables.get(TABLE, "k") is None and case.log.tables.history(TABLE, "k") == []
        assert case.log.tables.get("app2.items", "k") == other.document
        assert [run.task for run in await case.books.runs(None, 10)] == ["app2.load"]
        await case.log.declare(tables_spec())
        await case.log.commit(Commit(tables=[edit(value={"size": 1})]))
        assert [one.key for one in case.log.tables.find(query((SIZE, "eq", 1)))] == ["k"]

    @scenario
    async def test_what_one_handle_commits_another_reads(self, case: Case) -> None:
        log, books = await case.another()
        await case.log.declare(tables_spec())
        one = edit(value={"size": 1})
        await case.log.commit(Commit(tables=[one]))
        assert log.tables.get(TABLE, "k") == one.document
        assert await books.documents(TABLE, None, 1) == [one.document]
        assert books.tables.get(TABLE, "k") == one.document and books.tables.get(TABLE, "x") is None

    async def _many(self, case: Case) -> None:
        await case.log.declare(tables_spec())
        values = {
            "a": {"size": 1, "color": "blue"}, "b": {"size": 2, "color": "red"}, "c": {"size": 2.0, "color": "blue"},
            "d": {"size": 3.5}, "e": {"size": "big"}, "f": {"size": None}, "g": {}, "h": {"size": True},
        }  # fmt: skip
        await case.log.commit(
            Commit(tables=[edit(key, value=value, state="new" if key < "c" else None) for key, value in values.items()])
        )
