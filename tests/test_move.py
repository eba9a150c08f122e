"""A store that moves is the same store afterwards, wherever it stops on the way.

Given a store that holds something of everything
when  it is moved, also by processes that die one after another between any two steps, or is let go on again
then  there is never more than one home that works, and never none for good; the last one holds what the first one held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apsw
import msgspec
import psycopg
import pytest

from homes import TABLE, WORK, Died, Dies, Dying, Homes, PostgresHomes, SQLiteHomes, facts, fill, spec
from onward.audit import breaches, recounted
from onward.carry import COUNTS, KINDS, ROWS, Carrier, Load, Mark, Place
from onward.clock import HandClock
from onward.conformance.case import IN, append
from onward.document import Edit
from onward.errors import AlreadyCommitted, Broken, InUse, Refused, StoreMoved
from onward.log import AppSpec, Commit, Forgetting, Range, Replay, Request, TopicSpec
from onward.move import Move, Moved, cancel
from onward.sql import Statements
from onward.task_run import TaskRun
from recount import recount


class Case:
    """Two homes, of which the first one holds a store."""

    def __init__(self, old: Homes, new: Homes) -> None:
        self.clock = HandClock()
        self.old, self.new = old.url(), new.url()
        self.homes: dict[str, Homes] = {self.old: old, self.new: new}
        self.thorough = isinstance(new, SQLiteHomes) and old is new

    def log(self, url: str) -> Any:
        return self.homes[url].log(url, self.clock)

    def books(self, url: str) -> Any:
        return self.homes[url].books(url, self.clock)

    async def fill(self) -> Mapping[str, Any]:
        log = self.log(self.old)
        books = self.books(self.old)
        self.lease = await fill(log, books, self.clock)
        found = await facts(log, books)
        await log.close()
        await books.close()
        return found

    async def facts(self, url: str) -> Mapping[str, Any]:
        log, books = self.log(url), self.books(url)
        found = await facts(log, books)
        await log.close()
        await books.close()
        return found

    async def move(self, dies: Dies | None = None, *, back: bool = False, most: int = ROWS) -> Moved:
        """Moves it, on fresh handles as a fresh process has them."""
        old, new = (self.new, self.old) if back else (self.old, self.new)
        given, taken = self.carrier(old), self.carrier(new)
        try:
            if dies is not None:
                given, taken = dies.over(given), dies.over(taken)
            return await Move(given, taken, "me", most=most, now=self.clock.now).run()
        finally:
            await given.close()
            await taken.close()

    def carrier(self, url: str) -> Carrier:
        return self.homes[url].carrier(url, self.clock)

    def again(self) -> Case:
        """The same store once more, at another place of the same kind, to be moved to another one."""
        made = Case(self.homes[self.old], self.homes[self.new])
        made.clock, made.lease = self.clock, self.lease
        made.homes[made.old].copy(self.old, made.old)
        return made

    def leave_for(self, url: str) -> None:
        """Means another place, of the same kind."""
        self.homes[url] = self.homes[self.new]
        self.new = url

    def moved_on(self) -> None:
        """Means the new home as the old one, and another new one of the kind of the old one."""
        kind = self.homes[self.old]
        self.old, self.new = self.new, kind.url()
        self.homes[self.new] = kind

    async def dies(self, step: int, *, most: int = ROWS) -> bool:
        """Moves it in a process that dies at a step; whether it came to that."""
        try:
            await self.move(Dies(step), most=most)
        except Died:
            return True
        return False

    async def one_home_at_most(self) -> None:
        assert not (await self.works(self.old) and await self.works(self.new))

    async def put(self, url: str) -> None:
        log = self.log(url)
        await log.commit(Commit(appends=[append("more", topic=IN)]))
        await log.close()

    async def cancel(self) -> Mark:
        carrier = self.carrier(self.old)
        try:
            return await cancel(carrier)
        finally:
            await carrier.close()

    async def works(self, url: str) -> bool:
        """Whether somebody could put a record there."""
        if not await self.there(url):
            return False
        try:
            log = self.log(url)
        except StoreMoved:
            return False
        await log.close()
        return True

    async def there(self, url: str) -> bool:
        carrier = self.carrier(url)
        try:
            return await carrier.mark() is not None
        finally:
            await carrier.close()

    async def audited(self, url: str) -> None:
        books = self.books(url)
        survey, evidence, blocks = await books.evidence()
        assert breaches(survey, evidence, blocks) == []
        assert await recounted(books, list(blocks)) == []
        await recount(books)
        await books.close()


PAIRS = [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite")]


@pytest.fixture(params=PAIRS, ids="-".join)
def case(request: Any, tmp_path: Path) -> Case:
    made: dict[str, Homes] = {"sqlite": SQLiteHomes(tmp_path)}
    if "postgres" in request.param:
        made["postgres"] = PostgresHomes(request.getfixturevalue("databases"))
    old, new = request.param
    return Case(made[old], made[new])


@pytest.mark.parametrize("case", [*PAIRS, ("postgres", "postgres")], ids="-".join, indirect=True)
def test_all_that_can_be_seen_is_the_same_afterwards(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        done = await case.move()
        assert await case.facts(case.new) == before
        rows = await carried(case, case.old)
        assert await carried(case, case.new) == rows
        assert (done.records, done.rows) == (26, sum(len(rows[kind]) for kind in KINDS if kind not in COUNTS))
        for url in (case.old, case.new):
            await case.audited(url)

    asyncio.run(work())


def test_a_row_at_a_time_it_is_the_same(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        await case.move(most=1)
        assert await case.facts(case.new) == before

    asyncio.run(work())


def test_ids_and_tokens_go_on(case: Case) -> None:
    """Who takes a lease has a larger token than any before, as targets of `within=` want it."""

    async def work() -> None:
        await case.fill()
        await case.move()
        log = case.log(case.new)
        claim = await log.claim(WORK, 0, "w3", 10.0)
        assert claim.lease.token == case.lease.token + 1
        assert claim.unit == "000000000002@aa"
        with pytest.raises(AlreadyCommitted):
            await log.commit(Commit(lease=claim.lease, finished=[(8, 9)], unit="000000000002@aa"))
        books = case.books(case.new)
        asked = await books.ask([Request(0, WORK, 0, "drop", {}, "me", 0.0)])
        assert (list(asked), await books.replay(Replay(WORK, (Range(0, 0, 1),)))) == ([3], 3)
        assert await log.record_run(TaskRun("app.task", "me", "host/1/2", 0.0, b"{}")) == 3
        await log.close()
        await books.close()
        await case.audited(case.new)

    asyncio.run(work())


async def steps(case: Case) -> list[int]:
    """Steps of a move: the first and the last ones, which differ, and one of those between, which are alike."""
    count = Dies(0)
    await case.again().move(count)
    last = -count.left
    more = {1, 2, 4, last // 2, last - 2, last - 1} if case.thorough else set()
    return sorted({3, last, last + 1} | more)


def test_a_move_that_dies_at_any_step_goes_on(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        before = await carried(case, case.old)
        for step in (found := await steps(case)):
            other = case.again()
            assert await other.dies(step) is (step < found[-1])
            await other.one_home_at_most()
            await other.move()
            assert (await other.works(other.old), await other.works(other.new)) == (False, True)
            assert await carried(other, other.new) == before

    asyncio.run(work())


def test_it_goes_on_however_often_it_dies(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        deaths = 0
        while await case.dies((2 if case.thorough else 6) + deaths % 2):
            deaths += 1
            await case.one_home_at_most()
        assert deaths > 3
        assert await case.facts(case.new) == before

    asyncio.run(work())


def test_a_move_that_dies_at_any_step_may_be_given_up_until_it_is_too_late(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        before = await carried(case, case.old)
        ends = []
        for step in (await steps(case))[:-1]:
            other = case.again()
            assert await other.dies(step)
            try:
                await other.cancel()
            except StoreMoved:
                ends.append("moved")
                await other.move()
                assert (await other.works(other.old), await other.works(other.new)) == (False, True)
                assert await carried(other, other.new) == before
            except Refused:
                ends.append("not begun")
                assert await other.works(other.old)
            else:
                ends.append("given up")
                assert (await other.works(other.old), await other.works(other.new)) == (True, False)
                assert await carried(other, other.old) == before
                if await other.there(other.new):  # what has arrived is of no use
                    with pytest.raises(Refused, match="is not whole"):
                        await other.move()
                other.leave_for(case.homes[case.new].url())
                await other.move()
                assert await carried(other, other.new) == before
        assert {"given up", "moved"} <= set(ends)

    asyncio.run(work())


def test_who_is_at_it_is_stopped_when_it_is_given_up(case: Case) -> None:
    """However far it had come: the old home may have changed meanwhile."""

    async def work() -> None:
        await case.fill()
        old, new = case.carrier(case.old), case.carrier(case.new)

        class GivenUp(Dies):
            async def change(self, work: Callable[[], Any]) -> Any:
                self.left -= 1
                if self.left == 0:
                    await case.cancel()
                    await case.put(case.old)
                return await work()

        for step in (await steps(case))[case.thorough : -1]:
            dies = GivenUp(step)
            with pytest.raises((Refused, Broken)):
                await Move(dies.over(old), dies.over(new), "me", now=case.clock.now).run()
            if (await old.mark()).state == "moved":  # that was too late
                await old.close()
                await new.close()
                return
            assert await case.works(case.old)
            await new.close()
            case.leave_for(case.homes[case.new].url())
            new = case.carrier(case.new)
        raise AssertionError("it was never too late")

    asyncio.run(work())


def test_two_at_once_bring_it_there_once(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        found = await asyncio.gather(case.move(most=3), case.move(most=3), return_exceptions=True)
        assert all(isinstance(one, Moved | Refused) for one in found), found
        await case.move()
        assert await case.facts(case.new) == before
        await case.audited(case.new)

    asyncio.run(work())


def test_it_waits_for_nobody_and_names_who_works(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        log = case.log(case.old)
        await log.meet("w7", [WORK])
        with pytest.raises(InUse, match=r"worker w7 runs app\.work; stop it first"):
            await case.move()
        assert await case.works(case.old)
        case.clock.advance(60)
        await log.claim(WORK, 1, "w8", 10.0)
        with pytest.raises(InUse, match=r"worker w8 runs app\.work"):
            await case.move()
        case.clock.advance(60)
        await case.move()
        await log.close()

    asyncio.run(work())


def test_handles_that_are_open_keep_nothing_more(case: Case) -> None:
    """A client, somebody with a command, and a worker that was not heard of and holds a lease still."""

    async def work() -> None:
        await case.fill()
        log, books = case.log(case.old), case.books(case.old)
        edit = Edit(TABLE, "b", 1, "put", None, b"{}", 0.0, "me")
        changes: list[Callable[[], Any]] = [
            lambda: log.declare(spec()),
            lambda: log.commit(Commit(appends=[append("late", topic=IN)])),
            lambda: log.commit(Commit(tables=[edit])),
            lambda: log.commit(Commit(lease=case.lease, finished=[(8, 9)])),
            lambda: log.commit(Commit(lease=case.lease, unpark=[2])),
            lambda: log.claim(WORK, 0, "w3", 10.0),
            lambda: log.renew({case.lease: ""}, 10.0),
            lambda: log.meet("w3", [WORK]),
            lambda: log.record_run(TaskRun("app.task", "me", "host/1/2", 0.0, b"{}")),
            lambda: log.draw("calls", 5.0, 1),
            lambda: log.retain(IN, case.clock.now(), {0: 9}),
            lambda: books.ask([Request(0, WORK, 0, "retry", {}, "me", 0.0)]),
            lambda: books.pause(WORK, "me", 0.0),
            lambda: books.replay(Replay(WORK, (Range(0, 0, 1),))),
            lambda: books.forget(Forgetting(stages=("app.gone",))),
        ]
        for state in ("leaving", "moved"):
            if state == "leaving":
                assert await case.dies(2)
            else:
                await case.move()
            for change in changes:
                with pytest.raises(StoreMoved, match="being moved to" if state == "leaving" else "has moved to"):
                    await change()
        await log.close()
        await books.close()
        await case.audited(case.old)

    asyncio.run(work())


def test_given_up_the_open_handles_work_again(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        log = case.log(case.old)
        await case.dies(9)
        with pytest.raises(StoreMoved):
            await log.commit(Commit(appends=[append("late", topic=IN)]))
        await case.cancel()
        assert await case.facts(case.old) == before
        await log.commit(Commit(appends=[append("in time", topic=IN)]))
        await log.close()
        await case.audited(case.old)

    asyncio.run(work())


def test_what_is_not_whole_is_no_store(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        await case.dies(9)
        for opened in (case.log, case.books):
            with pytest.raises(StoreMoved, match="is not whole"):
                opened(case.new)
        with pytest.raises(StoreMoved, match="is not whole"):
            await case.move(back=True)

    asyncio.run(work())


def test_what_was_opened_before_it_arrives_declares_nothing_there(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        log = case.log(case.new)
        await case.dies(9)
        with pytest.raises(StoreMoved, match="is not whole"):
            await log.declare(spec())
        await case.move()
        await log.commit(Commit(appends=[append("in time", topic=IN)]))
        await log.close()
        await case.audited(case.new)

    asyncio.run(work())


def test_a_place_where_something_is_stays_as_it_is(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        log = case.log(case.new)
        await log.declare(AppSpec("other", (TopicSpec("other.t", 1, 60.0),), (), ()))
        await log.close()
        there = await case.facts(case.new)
        with pytest.raises(Refused, match="name a place where nothing is"):
            await case.move()
        assert await case.works(case.old)
        assert (await case.facts(case.old), await case.facts(case.new)) == (before, there)
        with pytest.raises(Refused, match="not being moved"):
            await case.cancel()

    asyncio.run(work())


def test_nothing_cannot_be_moved_and_not_onto_itself(case: Case) -> None:
    async def work() -> None:
        with pytest.raises(Refused, match="holds nothing"):
            await case.move()
        await case.fill()
        case.homes[case.new], case.new = case.homes[case.old], case.old
        with pytest.raises(Refused, match="is where the store is"):
            await case.move()

    asyncio.run(work())


def test_it_may_move_on_but_not_back_over_itself(case: Case) -> None:
    async def work() -> None:
        before = await case.fill()
        await case.move()
        with pytest.raises(Refused, match=r"has moved to .*; name a place where nothing is"):
            await case.move(back=True)
        assert await case.works(case.new)
        case.moved_on()
        await case.move()
        assert await case.facts(case.new) == before
        await case.audited(case.new)

    asyncio.run(work())


def test_a_second_place_is_refused_while_it_is_under_way(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        await case.dies(9)
        first, second = case.new, case.homes[case.new].url()
        case.leave_for(second)
        with pytest.raises(StoreMoved, match="is being moved to"):
            await case.move()
        assert not await case.works(second)
        case.leave_for(first)
        await case.move()

    asyncio.run(work())


def test_what_has_arrived_otherwise_than_it_left_is_not_opened(case: Case) -> None:
    async def work() -> None:
        await case.fill()
        old, new = case.carrier(case.old), case.carrier(case.new)

        class Loses(Dying):
            async def take(self, mark: Mark, before: Place, load: Load) -> None:
                lost = load.place.kind == "block"
                await new.take(mark, before, load._replace(rows=load.rows[lost:]))

        with pytest.raises(Broken, match="has not become what"):
            await Move(old, Loses(new, Dies(0)), "me", now=case.clock.now).run()
        assert not await case.works(case.new)
        await case.cancel()
        assert await case.works(case.old)
        await old.close()
        await new.close()

    asyncio.run(work())


def test_an_older_store_is_brought_up_to_date_when_it_leaves_only(tmp_path: Path) -> None:
    homes = SQLiteHomes(tmp_path)
    case = Case(homes, homes)

    def version(url: str) -> int:
        connection = apsw.Connection(url.removeprefix("sqlite:///"))
        [(found,)] = connection.execute("PRAGMA user_version").fetchall()
        connection.close()
        return int(found)

    async def work() -> None:
        before = await case.fill()
        connection = apsw.Connection(case.old.removeprefix("sqlite:///"))
        connection.execute("DROP TABLE home; PRAGMA user_version = 8")
        connection.close()
        other = case.again()
        third = Case(homes, homes)
        third.lease = await fill(log := third.log(third.old), books := third.books(third.old), third.clock)
        await log.close()
        await books.close()
        third.leave_for(other.old)
        with pytest.raises(Refused, match="name a place where nothing is"):
            await third.move()
        assert version(other.old) == 8
        await case.move()
        assert version(case.old) == version(case.new) > 8
        assert await case.facts(case.new) == before

    asyncio.run(work())


NUMBERED = {
    "retained": {"last"},
    "progress": {"seq"},
    "shape": {"seq"},
    "attempt": {"id"},
    "topic": {"number"},
    "block": {"seq", "sizes_before", "put_before"},
}
LEFT = {"home", "worker", "call_slot", "document_entry", "schema_version", "segment", "block_form", "block_000001"}
LEFT |= {"tally"}  # which is counted by the counter of `progress`


def test_everything_of_the_schema_is_carried_or_named(postgres: str) -> None:
    """A column that a migration adds is lost on the way unless it is among what is carried."""
    made = apsw.Connection(":memory:")
    for migration in Statements("sqlite").migrations:
        made.execute(migration)
    tables = {
        table: {row[1] for row in made.execute(f"PRAGMA table_info({table})")}
        for (table,) in made.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        if not table.startswith("sqlite_")
    }
    asyncio.run(PostgresHomes(lambda: postgres).log(postgres, HandClock()).close())
    with psycopg.connect(postgres) as connection:
        asked = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'onward'"
        columns = connection.execute(asked).fetchall()
    theirs = {table: {name for of, name in columns if of == table} for table in {table for table, _ in columns}}
    del theirs["record"]
    for known in (tables, theirs):
        for table in known.keys() - LEFT:
            assert known[table] - {*KINDS[table], "put"} <= NUMBERED.get(table, set()), table
            assert set(KINDS[table]) <= known[table], table
        assert known.keys() - LEFT == KINDS.keys() - set(COUNTS)


JSON = {"emitted", "finished", "totals", "offsets"}
IN_ORDER = {"shape", "attempt", "block", "progress"}


async def carried(case: Case, url: str) -> dict[str, Any]:
    """Every row as it would be carried on; JSON as what it says, and in order where that counts."""
    carrier = case.carrier(url)
    found: dict[str, Any] = {}
    for kind, fields in KINDS.items():
        place, rows = Place(kind), []
        while (load := await carrier.give(place)).rows:
            rows += [
                tuple(
                    msgspec.json.decode(value) if name in JSON and value is not None else value
                    for name, value in zip(fields, row, strict=True)
                )
                for row in load.rows
            ]
            place = load.place
        assert rows, f"nothing of {kind} is in the store that this is tried with"
        if kind == "progress":
            rows.sort(key=lambda row: row[:2])
        found[kind] = rows if kind in IN_ORDER else sorted(rows, key=repr)
    await carrier.close()
    return found
