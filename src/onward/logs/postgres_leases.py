"""Leases of a PostgreSQL store, as one handle takes, keeps and gives them back.

It remembers what it saw, to tell when a store has lost commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from onward import process
from onward.clock import Clock
from onward.errors import StoreWentBack
from onward.log import QUICK, Claim, Lease
from onward.logs.postgres_commit import Writing
from onward.logs.postgres_rows import SQL, brought_by, claim_of, commits_of, standing_from
from onward.logs.rows import source_from
from onward.postgres.batch import Batch
from onward.postgres.connection import Connection, rows, run
from onward.units import instant_text

STOPPED = "stopped: "


class Claimed(NamedTuple):
    """A claim, and how many commits there are of what it is for."""

    claim: Claim
    commits: int


class Leasing:
    """Of one handle, which was opened at an instant. Each method is to be one transaction."""

    def __init__(self, writing: Writing, clock: Clock, opened: float) -> None:
        self._writing = writing
        self._clock = clock
        self._opened = opened
        self._tokens: dict[tuple[str, int], int] = {}

    def claim(
        self, connection: Connection, stage: str, partition: int, worker: str, seconds: float
    ) -> Claimed | StoreWentBack | None:
        """None where somebody else has it; an error is given, not raised, as what was noted of it is to be kept."""
        bound = {"stage": stage, "partition": partition}
        rows(connection, SQL.lease_lock, **bound)
        held = rows(connection, SQL.lease_get, **bound)
        if rows(connection, SQL.renamed_get, was=stage):
            return None
        now = self._clock.now()
        if held and held[0][0] != worker and (held[0][2] or 0) > now and not process.is_dead(held[0][0]):
            return None
        if held and StoreWentBack.SIGN in (said := held[0][5]) and held[0][3] >= self._opened:
            return StoreWentBack.again(said.removeprefix(STOPPED))  # nobody goes on but who has been started since
        lease = Lease(stage, partition, worker, (held[0][1] if held else 0) + 1)
        if not held:  # new, or forgotten and declared anew
            self._forget(stage, partition)
        crashes = _crashes(*held[0][:5], worker) if held else 0
        times = {"until": instant_text(now + seconds), "taken": instant_text(now), "crashes": crashes}
        run(connection, SQL.lease_take, **bound, worker=worker, token=lease.token, **times)
        # From here on no other one commits, and all that did so is seen.
        try:
            if lease.token <= (known := self._tokens.get((stage, partition), 0)):
                raise self._writing.back(f"the lease of {stage} partition {partition}", lease.token - 1, known)
            claim = msgspec.structs.replace(claim_of(connection, lease), crashes=crashes)
            return Claimed(claim, self._kept(connection, lease))
        except StoreWentBack as error:  # which is kept, for `status` to show it
            rows(connection, SQL.lease_renew, **_held(lease), until=None, state=f"{STOPPED}{error}")
            return error

    def resume(self, connection: Connection, lease: Lease) -> Claimed:
        return Claimed(claim_of(connection, lease), self._kept(connection, lease))

    def noted(self, claimed: Claimed) -> Claim:
        """Takes in what a transaction has found, when that is over."""
        lease = claimed.claim.lease
        where = lease.stage, lease.partition
        self._writing.kept[where], self._tokens[where] = claimed.commits, lease.token
        return claimed.claim

    def renew(self, connection: Connection, leases: Mapping[Lease, str], seconds: float) -> list[Lease]:
        """Those of them that are lost."""
        until = instant_text(self._clock.now() + seconds) if seconds else None
        known = {lease: self._writing.known(lease) for lease in leases}
        batch = Batch(connection)
        changed = {
            lease: batch.ask(SQL.lease_renew, **_held(lease), until=until, state=state)
            for lease, state in sorted(leases.items(), key=lambda one: (one[0].stage, one[0].partition))
        }
        batch.send()
        # Who idles commits nothing, and would never hear that the store has lost what it did.
        held = {lease: [standing_from(*row) for row in changed[lease].rows] for lease in leases}
        return [lease for lease in leases if not held[lease] or held[lease][0].is_behind(known[lease])]

    def _kept(self, connection: Connection, lease: Lease) -> int:
        """How many commits there are of what it is for.

        Raises:
            WentBack: this handle has seen more.
        """
        known = self._writing.known(lease)
        kept = commits_of(connection, lease.stage, lease.partition)
        if kept < known.commits:
            raise self._writing.back(f"{lease.stage} partition {lease.partition}", kept, known.commits)
        brought = brought_by(source_from(rows(connection, SQL.source_get, name=lease.stage)))
        if brought < known.brought:
            raise self._writing.back(f"what {lease.stage} has brought", brought, known.brought)
        return kept

    def _forget(self, stage: str, partition: int) -> None:
        self._writing.kept.pop((stage, partition), None)
        self._writing.brought.pop(stage, None)
        self._tokens.pop((stage, partition), None)


def _held(lease: Lease) -> dict[str, Any]:
    return {"stage": lease.stage, "partition": lease.partition, "token": lease.token, "worker": lease.worker}


def _crashes(holder: str, token: int, until: float | None, taken: float, crashes: int, worker: str) -> int:
    """How many holders in a row were gone, if this one is, too."""
    if holder == worker or until is None:
        return crashes if until is not None else 0
    return crashes + 1 if until - taken < QUICK else 1
