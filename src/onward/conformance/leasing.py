"""Leases: who has one, who gets it next, and whose commits are kept. And workers, who meet."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from onward import process
from onward.conformance.case import FEED, LEASE, OUT, WORK, Case, Suite, app_spec, append, raises, scenario
from onward.errors import LeaseLost
from onward.log import MEETING, Commit, Lease, SourceState, Totals


def name_of_a_dead_worker() -> str:
    """The name of a worker of this machine whose process is gone."""
    program = "from onward import process; print(process.new_name())"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    return found.stdout.strip()


class Leasing(Suite):
    @scenario
    async def test_a_first_claim_finds_everything_at_its_beginning(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim(WORK, 1, "w1")
        assert (claim.lease.stage, claim.lease.partition, claim.lease.worker) == (WORK, 1, "w1")
        assert (claim.next, list(claim.ahead), claim.totals, list(claim.parked)) == (0, [], Totals(), [])
        assert claim.source == SourceState()
        assert claim.incarnation

    @scenario
    async def test_a_source_is_claimed_as_a_stage_is(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim(FEED)
        assert (claim.lease.stage, claim.lease.partition, claim.source) == (FEED, 0, SourceState())
        assert claim.incarnation == ""
        assert await case.log.claim(FEED, 0, "w2", LEASE) is None

    @scenario
    async def test_holders_that_were_gone_soon_are_counted(self, case: Case) -> None:
        await case.log.declare(app_spec())
        assert (await case.claim()).crashes == 0
        assert [(await case.again()).crashes for _ in range(3)] == [1, 2, 3]

    @scenario
    async def test_a_holder_that_gave_back_or_lasted_begins_the_count_anew(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.claim()
        claim = await case.again()
        assert (await case.claim(worker=claim.lease.worker)).crashes == 1  # its own, once more
        for _ in range(8):
            case.clock.advance(LEASE)
            await case.log.renew({Lease(WORK, 0, claim.lease.worker, claim.lease.token + 1): ""}, LEASE)
        claim = await case.again()
        assert claim.crashes == 1
        assert (await case.again()).crashes == 2
        claim = await case.again()
        await case.log.renew({claim.lease: "stopped"}, 0)
        assert (await case.claim(worker="w9")).crashes == 0

    @scenario
    async def test_a_lease_that_is_held_is_not_given(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.claim(worker="w1")
        case.clock.advance(LEASE - 0.001)
        assert await case.log.claim(WORK, 0, "w2", LEASE) is None

    @scenario
    async def test_each_stage_and_partition_has_a_lease_of_its_own(self, case: Case) -> None:
        await case.log.declare(app_spec())
        await case.claim(WORK, 0, "w1")
        await case.claim(WORK, 1, "w2")
        await case.claim(FEED, 0, "w3")
        held = {(lease.stage, lease.partition): lease.worker for lease in (await case.survey()).leases}
        assert held == {(WORK, 0): "w1", (WORK, 1): "w2", (FEED, 0): "w3"}

    @scenario
    async def test_a_lease_that_is_over_is_given_to_another(self, case: Case) -> None:
        await case.log.declare(app_spec())
        first = await case.claim(worker="w1")
        case.clock.advance(LEASE)
        second = await case.claim(worker="w2")
        assert second.lease.token > first.lease.token

    @scenario
    async def test_its_own_holder_takes_it_again_with_a_new_token(self, case: Case) -> None:
        await case.log.declare(app_spec())
        first = await case.claim(worker="w1")
        second = await case.claim(worker="w1")
        assert second.lease.token > first.lease.token
        with raises(LeaseLost):
            await case.log.commit(Commit(lease=first.lease))
        await case.log.commit(Commit(lease=second.lease))

    @scenario
    async def test_the_lease_of_a_dead_process_is_taken_at_once(self, case: Case) -> None:
        await case.log.declare(app_spec())
        dead, living = name_of_a_dead_worker(), process.new_name()
        first = await case.claim(WORK, 0, dead)
        await case.claim(WORK, 1, living)
        assert {held.worker: held.live for held in (await case.survey()).leases} == {dead: False, living: True}
        second = await case.claim(WORK, 0, "w2")
        assert second.lease.token > first.lease.token
        assert await case.log.claim(WORK, 1, "w2", LEASE) is None

    @scenario
    async def test_one_that_is_renewed_is_kept(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim()
        for _ in range(5):
            case.clock.advance(LEASE - 1)
            assert list(await case.log.renew({claim.lease: "running"}, LEASE)) == []
            assert await case.log.claim(WORK, 0, "w2", LEASE) is None

    @scenario
    async def test_renewing_tells_which_are_lost(self, case: Case) -> None:
        await case.log.declare(app_spec())
        lost, kept = await case.claim(WORK, 0), await case.claim(WORK, 1)
        case.clock.advance(LEASE)
        taken = await case.claim(WORK, 0, "w2")
        assert list(await case.log.renew({lost.lease: "running", kept.lease: "running"}, LEASE)) == [lost.lease]
        assert list(await case.log.renew({Lease(OUT, 0, "w1", 1): "running"}, LEASE)) == [Lease(OUT, 0, "w1", 1)]
        held = {lease.partition: (lease.worker, lease.live) for lease in (await case.survey()).leases}
        assert held == {0: ("w2", True), 1: ("w1", True)}
        assert list(await case.log.renew({taken.lease: "running"}, LEASE)) == []
        assert list(await case.log.renew({}, LEASE)) == []

    @scenario
    async def test_renewing_notes_the_state(self, case: Case) -> None:
        await case.log.declare(app_spec())
        one, two = await case.claim(WORK, 0), await case.claim(WORK, 1)
        await case.log.renew({one.lease: "tripped: it's away", two.lease: "running"}, LEASE)
        survey = await case.survey()
        assert [lease.state for lease in survey.leases] == ["tripped: it's away", "running"]
        assert survey.stages[0].holder == survey.leases[0]
        case.clock.advance(LEASE)
        assert [lease.live for lease in (await case.survey()).leases] == [False, False]
        await case.claim(WORK, 0, "w2")
        assert (await case.survey()).leases[0].state == ""

    @scenario
    async def test_one_given_back_is_free_at_once(self, case: Case) -> None:
        await case.log.declare(app_spec())
        first = await case.claim(worker="w1")
        assert list(await case.log.renew({first.lease: "stopped"}, 0)) == []
        (held,) = (await case.survey()).leases
        assert (held.state, held.live) == ("stopped", False)
        second = await case.claim(worker="w2")
        assert second.lease.token > first.lease.token

    @scenario
    async def test_tokens_only_grow(self, case: Case) -> None:
        await case.log.declare(app_spec())
        tokens = []
        for number in range(10):
            claim = await case.claim(worker=f"w{number % 3}")
            tokens.append(claim.lease.token)
            if number % 2:
                await case.log.renew({claim.lease: ""}, 0)
            else:
                case.clock.advance(LEASE)
        assert tokens == sorted(set(tokens))

    @scenario
    async def test_an_older_token_commits_nothing(self, case: Case) -> None:
        await case.log.declare(app_spec())
        old = await case.claim(worker="w1")
        case.clock.advance(LEASE)
        new = await case.claim(worker="w2")
        with raises(LeaseLost):
            await case.log.commit(Commit(lease=old.lease, appends=[append("old", topic=OUT)]))
        await case.log.commit(Commit(lease=new.lease, appends=[append("new", topic=OUT)]))
        assert await case.values(OUT) == ["new"]

    @scenario
    async def test_the_token_of_another_worker_is_of_no_use(self, case: Case) -> None:
        """As after a failover that has lost who had it before: the same token may be given again."""
        await case.log.declare(app_spec())
        held = (await case.claim(worker="w1")).lease
        other = Lease(held.stage, held.partition, "w2", held.token)
        with raises(LeaseLost):
            await case.log.commit(Commit(lease=other, appends=[append("other", topic=OUT)]))
        assert await case.log.renew({other: ""}, LEASE) == [other]
        assert await case.log.renew({held: ""}, LEASE) == []
        await case.log.commit(Commit(lease=held, appends=[append("x", topic=OUT)]))
        assert await case.values(OUT) == ["x"]

    @scenario
    async def test_who_never_held_it_commits_nothing(self, case: Case) -> None:
        await case.log.declare(app_spec())
        with raises(LeaseLost):
            await case.log.commit(Commit(lease=Lease(WORK, 0, "w1", 1), appends=[append("x", topic=OUT)]))
        assert await case.values(OUT) == []

    @scenario
    async def test_time_alone_takes_no_lease_away(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claim = await case.claim()
        case.clock.advance(10 * LEASE)
        await case.log.commit(Commit(lease=claim.lease, appends=[append("late", topic=OUT)]))
        assert list(await case.log.renew({claim.lease: ""}, LEASE)) == []
        assert await case.log.claim(WORK, 0, "w2", LEASE) is None
        assert await case.values(OUT) == ["late"]

    @scenario
    async def test_of_many_who_claim_at_once_one_gets_it(self, case: Case) -> None:
        await case.log.declare(app_spec())
        claims = await asyncio.gather(*(case.log.claim(WORK, 0, f"w{n}", LEASE) for n in range(20)))
        assert sum(claim is not None for claim in claims) == 1

    @scenario
    async def test_handles_share_leases(self, case: Case) -> None:
        await case.log.declare(app_spec())
        log, _ = await case.another()
        first = await case.claim(worker="w1")
        assert await log.claim(WORK, 0, "w2", LEASE) is None
        case.clock.advance(LEASE)
        second = await log.claim(WORK, 0, "w2", LEASE)
        assert second is not None and second.lease.token > first.lease.token
        with raises(LeaseLost):
            await case.log.commit(Commit(lease=first.lease))

    @scenario
    async def test_workers_meet(self, case: Case) -> None:
        met = await case.log.meet("w1", [WORK, FEED])
        assert {worker: list(one.wants) for worker, one in met.items()} == {"w1": [WORK, FEED]}
        met = await case.log.meet("w2", [])
        assert {worker: list(one.wants) for worker, one in met.items()} == {"w1": [WORK, FEED], "w2": []}
        met = await case.log.meet("w1", [WORK])
        assert {worker: list(one.wants) for worker, one in met.items()} == {"w1": [WORK], "w2": []}

    @scenario
    async def test_who_is_not_heard_of_no_longer_counts(self, case: Case) -> None:
        await case.log.meet("w1", [WORK])
        await case.log.meet("w2", [WORK])
        case.clock.advance(MEETING - 1)
        assert set(await case.log.meet("w2", [WORK])) == {"w1", "w2"}
        case.clock.advance(2)
        assert set(await case.log.meet("w2", [WORK])) == {"w2"}

    @scenario
    async def test_how_long_ago_others_were_heard_of(self, case: Case) -> None:
        await case.log.meet("w1", [WORK])
        case.clock.advance(2)
        met = await case.log.meet("w2", [])
        assert {worker: round(one.ago, 3) for worker, one in met.items()} == {"w1": 2.0, "w2": 0.0}

    @scenario
    async def test_who_is_dead_no_longer_counts(self, case: Case) -> None:
        await case.log.meet(name_of_a_dead_worker(), [WORK])
        assert set(await case.log.meet("w2", [WORK])) == {"w2"}

    @scenario
    async def test_who_has_closed_no_longer_counts(self, case: Case) -> None:
        log, _ = await case.another()
        await log.meet("w1", [WORK])
        assert set(await case.log.meet("w2", [])) == {"w1", "w2"}
        await log.close()
        assert set(await case.log.meet("w2", [])) == {"w2"}
