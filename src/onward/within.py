"""Committing a stage's work in another database: the effect, the stage's cursor and what it emits are one there.

That database keeps `onward_cursor` (the token and `next` of each stage and partition) and `onward_ledger` (what
the last unit emitted and parked). A unit's effect, its ledger row and the cursor commit together; then the row is
relayed to the store under its name, and goes when the next unit commits. Units are numbered and strictly one after
another, so between any two of these steps a process may die:

- before the commit there: nothing has happened;
- after it: who takes the lease finds the target one unit ahead of the store, and relays that first of all;
- after the relay: both know the same last unit.

Anything else means that one of the two is not the database that it was. What only the store needs to know (who
queues behind whom, attempts that failed) is committed there alone, and never while a unit is under way.

A holder that was only slow finds another token in the cursor row and commits nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from onward.call import Called
from onward.draft import Draft, relay_from
from onward.errors import AlreadyCommitted, StoreUncertain, WentBack
from onward.log import Claim, Commit, Lease, Log
from onward.target import Target, Transaction

Run = Callable[[Callable[[], Any]], Awaitable[Any]]


class Attempt(NamedTuple):
    """What came of a unit, and whether the target has kept it; None where its commit has not said so."""

    called: Called
    draft: Draft
    kept: bool | None


class Within:
    """One stage and partition committing within a target, under one lease."""

    def __init__(self, target: Target, log: Log, was: str | None) -> None:
        self.target = target
        self._log = log
        self._was = was
        self._taken: tuple[Lease, tuple[str, str] | None] | None = None

    def attempt(
        self,
        lease: Lease,
        last: str | None,
        calls: Callable[[Transaction], tuple[Called, Draft]],
        commit: Callable[[Draft], tuple[int, str, Commit] | None],
    ) -> Attempt:
        """One transaction of the target, for a unit. Blocks.

        Args:
            last: the last unit there.
            calls: makes the calls.
            commit: gives what `Transaction.commit` takes, or None where nothing is to be kept there.

        Raises:
            What the methods of target and transaction do, but for an uncertain commit.
        """
        transaction = self.target.begin(lease, last)
        try:
            called, draft = calls(transaction)
            if (made := commit(draft)) is None:
                transaction.roll_back()
                return Attempt(called, draft, False)
            try:
                transaction.commit(*made)
            except StoreUncertain:
                transaction.roll_back()
                return Attempt(called, draft, None)
            return Attempt(called, draft, True)
        except BaseException:
            transaction.roll_back()
            raise

    async def take(self, claim: Claim, end: int, run: Run) -> bool:
        """Makes target and store agree under this lease; true where the store was behind and has to be read again.

        `end` is that of the partition that the stage reads; `run` runs a blocking function in a thread. Where one of
        the two is away it may be called again, with the same claim.

        Raises:
            WentBack: one of the two databases holds less than it did.
        """
        lease = claim.lease
        if self._taken is None or self._taken[0] != lease:
            self._taken = lease, await run(lambda: self.target.take(claim, self._was))
        texts = self._taken[1]
        if texts is None:
            return False
        commit = relay_from(*texts, lease)
        if commit.next is not None and commit.next > end:
            raise WentBack(
                f"{lease.stage} partition {lease.partition}: the target has passed {commit.next}, the store holds "
                f"records up to {end}; the store is older than its target: restore the newer one"
            )
        try:
            await self._log.commit(commit)
        except AlreadyCommitted:
            pass  # it was kept although it had seemed to fail
        await run(lambda: self.target.learned(lease))
        return True
