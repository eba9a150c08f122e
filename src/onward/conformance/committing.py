"""Commits: kept whole or not at all, in order, without gaps."""

from __future__ import annotations

import asyncio
from itertools import pairwise

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
from onward.errors import AlreadyCommitted, LeaseLost, Refused
from onward.log import AppSpec, Attempt, Commit, Lease, Request, SourceState, StageSpec, TopicSpec, Totals
from onward.span import merged

ODD = [
    "plain",
    'it\'s "quoted" and `ticked`; -- DROP TABLE block',
    "tab\there, newline\nhere, return\rhere, bell\x07, escape\x1b[0m, delete\x7f",
    "ключ 鍵 🔑👩‍👩‍👧‍👦 e\u0301",
    "\u2028 \u2029 \ufeff \uffff \U0010ffff",
    "%s {0} $1 :name ? \\ \\u0041",
    " ",
    "",
]


class Committing(Suite):
    @scenario
    async def test_all_of_a_commit_is_kept(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abcdef")
        claim = await case.claim()
        (asked,) = await case.books.ask([Request(0, WORK, 0, "drop", {}, "me", 5.0)])
        await case.log.commit(
            Commit(
                lease=claim.lease,
                appends=[append("A", "B", topic=OUT), append("C", topic=OUT, partition=1)],
                finished=[(0, 2), (3, 4)],
                next=3,
                totals=Totals(3, 1, {OUT: 3}),
                park=[parked(2), parked(4, state="behind")],
                attempts=[Attempt(2, 1, 5.0, 0.5, "ValueError", "no", "Traceback")],
                source=SourceState(cursor=b"[1,2]"),
                answered=[(asked, "0 dropped")],
            )
        )
        assert await case.values(OUT) == ["A", "B"]
        assert await case.values(OUT, 1) == ["C"]
        after = await case.again()
        assert (after.next, merged(after.ahead), after.totals) == (3, [(3, 4)], Totals(3, 1, {OUT: 3}))
        assert [(row.offset, row.state) for row in after.parked] == [(2, "retrying"), (4, "behind")]
        assert after.source == SourceState(cursor=b"[1,2]")
        rows = await case.books.parked(WORK, None, None, None)
        assert [len(attempts) for *_, attempts in rows] == [1, 0]
        assert await case.books.answers([asked]) == {asked: "0 dropped"}

    @scenario
    async def test_what_is_kept_is_there_for_who_opens_the_store_again(self, case: Case) -> None:
        await case.another()
        await case.log.declare(app_spec())
        await case.put("a", "b")
        claim = await case.claim()
        await case.log.commit(finishing(claim.lease, 0, 1, next=2, appends=[append("A", topic=OUT)], park=[parked(1)]))
        before = await case.everything()
        for close in case.closing:
            await close()
        case.log, case.books = await case.another()
        assert await case.everything() == before
        assert await case.values(OUT) == ["A"]

    @scenario
    async def test_nothing_is_kept_of_a_commit_whose_lease_is_lost(self, case: Case) -> None:
        old = await self._with_a_parked_record(case)
        new = await case.again()
        before = await case.everything()
        with raises(LeaseLost):
            await case.log.commit(await self._everything(case, old))
        assert await case.everything() == before
        assert await case.books.answers([1, 2]) == {}
        await case.log.commit(await self._everything(case, new.lease))
        assert await case.everything() != before

    @scenario
    async def test_nothing_is_kept_of_a_commit_that_was_kept_before(self, case: Case) -> None:
        lease = await self._with_a_parked_record(case)
        await case.log.commit(finishing(lease, 1, 2))
        before = await case.everything()
        with raises(AlreadyCommitted):
            await case.log.commit(await self._everything(case, lease))
        assert await case.everything() == before
        assert await case.books.answers([1, 2]) == {}

    @scenario
    async def test_nothing_is_kept_of_a_commit_to_an_unknown_topic(self, case: Case) -> None:
        lease = await self._with_a_parked_record(case)
        before = await case.everything()
        for more in (append("x", topic="app.unknown"), append("x", topic=OUT, partition=2)):
            commit = await self._everything(case, lease)
            with raises(Refused):
                await case.log.commit(finishing(lease, 1, 2, appends=[*commit.appends, more], park=commit.park))
            with raises(Refused):
                await case.log.commit(Commit(appends=[append("y"), more]))
        assert await case.everything() == before

    async def _with_a_parked_record(self, case: Case) -> Lease:
        await case.log.declare(app_spec())
        await case.put(*"abcdef")
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, next=1, totals=Totals(), park=[parked(0), parked(5, state="behind")]))
        return lease

    async def _everything(self, case: Case, lease: Lease) -> Commit:
        ids = await case.books.ask([Request(0, WORK, 0, "drop", {}, "me", 5.0)])
        return Commit(
            lease=lease,
            appends=[append("A", topic=OUT), append("B", topic=OUT, partition=1), append("c")],
            finished=[(1, 3)],
            next=3,
            totals=Totals(9, 9, {OUT: 9}),
            park=[parked(3)],
            unpark=[0],
            promote=[(5, 0.0)],
            attempts=[Attempt(5, 1, 5.0, 0.5, "ValueError", "no", "")],
            source=SourceState(cursor=b"1"),
            answered=[(ids[0], "done")],
        )

    @scenario
    async def test_a_unit_is_kept_once(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abc")
        lease = (await case.claim()).lease
        await case.log.commit(finishing(lease, 0, 1, unit="0", appends=[append("A", topic=OUT)]))
        with raises(AlreadyCommitted):
            await case.log.commit(finishing(lease, 1, 2, unit="0", appends=[append("B", topic=OUT)]))
        await case.log.commit(finishing(lease, 1, 2, unit="1"))
        again = await case.again()
        with raises(AlreadyCommitted):
            await case.log.commit(Commit(lease=again.lease, unit="1", park=[parked(2)]))
        assert (again.next, await case.values(OUT)) == (2, ["A"])
        assert (await case.again()).parked == []

    @scenario
    async def test_a_unit_that_only_parks_is_kept_once_too(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a")
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, unit="0", park=[parked(0)]))
        with raises(AlreadyCommitted):
            await case.log.commit(Commit(lease=lease, unit="0", unpark=[0]))
        assert len((await case.again()).parked) == 1

    @scenario
    async def test_units_and_offsets_belong_to_a_stage_and_partition(self, case: Case) -> None:
        stages = (StageSpec(WORK, IN, (OUT,)), StageSpec("app.other", IN, ()))
        await case.log.declare(app_spec(stages=stages))
        for partition in range(2):
            await case.put("a", partition=partition)
        for stage, partition in ((WORK, 0), (WORK, 1), ("app.other", 0)):
            lease = (await case.claim(stage, partition)).lease
            await case.log.commit(finishing(lease, 0, 1, unit="0"))

    @scenario
    async def test_what_does_not_move_stays(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abcdef")
        lease = (await case.claim()).lease
        await case.log.commit(finishing(lease, 0, 2, totals=Totals(2, 1, {OUT: 5})))
        await case.log.commit(Commit(lease=lease, next=3, park=[parked(2)]))
        claim = await case.again()
        assert (claim.next, claim.totals) == (3, Totals(2, 1, {OUT: 5}))
        await case.log.commit(Commit(lease=claim.lease, totals=Totals(3, 1, {OUT: 6})))
        claim = await case.again()
        assert (claim.next, claim.totals) == (3, Totals(3, 1, {OUT: 6}))
        await case.log.commit(Commit(lease=claim.lease, finished=[(4, 5)]))
        claim = await case.again()
        assert (claim.next, merged(claim.ahead), claim.totals) == (3, [(4, 5)], Totals(3, 1, {OUT: 6}))

    @scenario
    async def test_what_is_finished_out_of_order_is_known_to_the_next_holder(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(20))
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, finished=[(10, 12), (15, 16)], next=0, totals=Totals(3)))
        await case.log.commit(Commit(lease=lease, finished=[(5, 8)], next=0, totals=Totals(6)))
        claim = await case.again()
        assert (claim.next, merged(claim.ahead)) == (0, [(5, 8), (10, 12), (15, 16)])
        assert [first for first, _ in claim.ahead] == sorted(first for first, _ in claim.ahead)
        assert (await case.survey()).stages[0].ahead == 6
        await case.log.commit(Commit(lease=claim.lease, finished=[(0, 5)], next=8, totals=Totals(11)))
        claim = await case.again()
        assert (claim.next, merged(claim.ahead)) == (8, [(10, 12), (15, 16)])
        await case.log.commit(
            Commit(lease=claim.lease, finished=[(8, 9)], next=11, totals=Totals(12), park=[parked(9)])
        )
        claim = await case.again()
        assert (claim.next, merged(claim.ahead)) == (11, [(11, 12), (15, 16)])

    @scenario
    async def test_a_record_that_was_parked_may_be_finished_later(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abcd")
        lease = (await case.claim()).lease
        await case.log.commit(finishing(lease, 0, 1, next=2, park=[parked(1)]))
        await case.log.commit(finishing(lease, 2, 4, totals=Totals(3)))
        await case.log.commit(Commit(lease=lease, finished=[(1, 2)], next=4, totals=Totals(4), unpark=[1]))
        claim = await case.again()
        assert (claim.next, list(claim.ahead), claim.totals.done, list(claim.parked)) == (4, [], 4, [])

    @scenario
    async def test_a_parked_row_is_written_whole(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abc")
        lease = (await case.claim()).lease
        first = parked(1, error="E: no", reason="because", batch="0-1", approved=True, due=12.25, since=3.5)
        await case.log.commit(Commit(lease=lease, park=[first]))
        assert list(await case.log.copies(WORK, 0, [1])) == [first]
        second = parked(1, key=None, state="dead", attempts=5, nonce="ff")
        await case.log.commit(Commit(lease=lease, park=[second]))
        assert list(await case.log.copies(WORK, 0, [1])) == [second]
        await case.log.commit(Commit(lease=lease, unpark=[1], park=[first]))
        assert list(await case.log.copies(WORK, 0, [1])) == [first]
        await case.log.commit(Commit(lease=lease, unpark=[1, 2]))
        assert list(await case.log.copies(WORK, 0, [1])) == []

    @scenario
    async def test_only_what_is_behind_is_promoted(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abcdef")
        lease = (await case.claim()).lease
        rows = [parked(0, state="dead"), parked(1, state="behind", attempts=0), parked(2, "l", "waiting")]
        await case.log.commit(Commit(lease=lease, park=rows))
        promote = [(0, 7.5), (1, 7.5), (2, 7.5), (5, 7.5)]
        await case.log.commit(Commit(lease=lease, unpark=[0], promote=promote))
        found = await case.log.copies(WORK, 0, range(6))
        assert [(row.offset, row.state, row.due) for row in found] == [(1, "retrying", 7.5), (2, "waiting", 0.0)]
        assert found[0].since == 7.5
        assert found[0].entry == rows[1].entry

    @scenario
    async def test_the_state_of_a_source_is_its_last(self, case: Case) -> None:
        await case.log.declare(app_spec())
        lease = (await case.claim(FEED)).lease
        for state in (
            SourceState(b'{"page":3}', {IN: 2}, 10.5, None, "running"),
            SourceState(b'{"page":4}', {IN: 5, OUT: 1}, 10.5, 99.25, "failed: it's away"),
            SourceState(),
        ):
            await case.log.commit(Commit(lease=lease, appends=[append("x")], source=state))
            assert (await case.survey()).sources == {FEED: state}
            claim = await case.again(FEED)
            assert claim.source == state
            lease = claim.lease

    @scenario
    async def test_the_first_answer_counts(self, case: Case) -> None:
        await case.log.declare(app_spec())
        one, two = await case.books.ask([Request(0, WORK, 0, "retry", {}, "me", 5.0)] * 2)
        lease = (await case.claim()).lease
        await case.log.commit(Commit(lease=lease, answered=[(one, "3 to be tried"), (two + 100, "nobody asked")]))
        await case.log.commit(Commit(lease=lease, answered=[(one, "again")]))
        assert await case.books.answers([one, two, two + 100]) == {one: "3 to be tried"}
        assert [request.id for request in (await case.log.news([], [WORK])).requests] == [two]

    @scenario
    async def test_what_is_put_needs_no_lease(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put("a", "b")
        await case.put("c", partition=1)
        lease = (await case.claim(FEED)).lease
        await case.log.commit(Commit(lease=lease, appends=[append("d")]))
        (facts, _) = (await case.survey()).topics
        assert (facts.put, facts.records, facts.ends) == (3, 4, 4)

    @scenario
    async def test_blocks_of_a_commit_stand_in_its_order(self, case: Case) -> None:
        await case.log.declare(app_spec())
        appends = [append(0), append(10, 11, partition=1), append(1, 2), append("x", topic=OUT), append(3)]
        await case.log.commit(Commit(appends=appends))
        assert await case.values(IN, 0) == [0, 1, 2, 3]
        assert [(block.offset, block.count) for block in await case.read(IN, 0)] == [(0, 1), (1, 2), (3, 1)]
        assert await case.values(IN, 1) == [10, 11]
        assert await case.values(OUT) == ["x"]

    @scenario
    async def test_each_block_has_a_nonce_of_its_own(self, case: Case) -> None:
        await case.log.declare(app_spec())
        for _ in range(20):
            await case.put("same")
        assert len({block.nonce for block in await case.read()} - {""}) == 20

    @scenario
    async def test_commits_of_one_lease_take_effect_in_the_order_of_their_calls(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*range(60))
        lease = (await case.claim()).lease
        commits = [finishing(lease, n, n + 1, appends=[append(n, topic=OUT)]) for n in range(60)]
        await asyncio.gather(*(case.log.commit(commit) for commit in commits))
        assert await case.values(OUT) == list(range(60))
        assert (await case.again()).next == 60

    @scenario
    async def test_a_commit_after_one_that_fails_is_kept(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*"abc")
        lease = (await case.claim()).lease
        commits = [finishing(lease, n // 2, n // 2 + 1, appends=[append(n, topic=OUT)]) for n in range(6)]
        found = await asyncio.gather(*(case.log.commit(commit) for commit in commits), return_exceptions=True)
        assert [type(error) for error in found] == [type(None), AlreadyCommitted] * 3
        assert await case.values(OUT) == [0, 2, 4]

    @scenario
    async def test_many_who_append_at_once_leave_no_gap(self, case: Case) -> None:
        names = [f"app.w{n}" for n in range(12)]
        await case.log.declare(app_spec(stages=[StageSpec(name, IN, (OUT,)) for name in names]))
        leases = [(await case.claim(name)).lease for name in names]

        async def work(number: int, lease: Lease) -> None:
            for step in range(10):
                appends = [append(*[(number, step)] * 3, topic=OUT, partition=p) for p in range(2)]
                await case.log.commit(Commit(lease=lease, appends=appends))

        await asyncio.gather(*(work(number, lease) for number, lease in enumerate(leases)))
        for partition in range(2):
            blocks = await case.read(OUT, partition)
            assert blocks[0].offset == 0
            assert all(a.offset + a.count == b.offset for a, b in pairwise(blocks))
            values = await case.values(OUT, partition)
            assert len(values) == 360
            for number in range(12):
                assert [step for who, step in values if who == number] == [n for n in range(10) for _ in range(3)]

    @scenario
    async def test_handles_append_without_a_gap(self, case: Case) -> None:
        await case.log.declare(app_spec())
        logs = [case.log, (await case.another())[0], (await case.another())[0]]

        async def work(number: int) -> None:
            for step in range(15):
                await logs[number].commit(Commit(appends=[append((number, step))]))

        await asyncio.gather(*(work(number) for number in range(3)))
        blocks = await case.read()
        assert [block.offset for block in blocks] == list(range(45))
        values = await case.values()
        for number in range(3):
            assert [step for who, step in values if who == number] == list(range(15))

    @scenario
    async def test_text_comes_back_as_it_was(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.put(*ODD)
        lease = (await case.claim()).lease
        for offset, text in enumerate(ODD):
            rows = [parked(offset, text, error=text, reason=text, batch=text)]
            attempts = [Attempt(offset, 1, 5.0, 0.5, text, text, text)]
            await case.log.commit(
                Commit(lease=lease, appends=[append(text, key=text, topic=OUT)], park=rows, attempts=attempts)
            )
        await case.log.renew({lease: ODD[2]}, 10.0)
        assert await case.values(OUT) == ODD
        assert await case.values(IN) == ODD
        found = await case.books.parked(None, None, None, None)
        for text, (_, _, row, (attempt,)) in zip(ODD, found, strict=True):
            assert {row.key, row.error, row.reason, row.batch} == {text}
            assert {attempt.error, attempt.message, attempt.traceback} == {text}
            assert [r.offset for _, _, r, _ in await case.books.parked(WORK, text, None, None)] == [row.offset]
        assert [row.key for row in (await case.again()).parked] == ODD

    @scenario
    async def test_entries_come_back_byte_for_byte(self, case: Case) -> None:
        await case.log.declare(AppSpec("app", (TopicSpec(IN, 1, 1.0),), (), ()))
        odd = [
            {"$base64": "/w=="},
            {"large": 2**63, "small": -0.0, "tiny": 5e-324},
            [None, True, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\x00 in JSON"],
        ]
        sent = append(*odd)
        await case.log.commit(Commit(appends=[sent]))
        (block,) = await case.read()
        assert (block.offset, block.count, block.entries) == (0, 3, sent.entries)
