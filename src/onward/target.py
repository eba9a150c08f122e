"""The port: a database that stages commit within, beside the store (`within=`).

It keeps `onward_cursor` (the token and `next` of each stage and partition) and `onward_ledger` (what the last unit
emitted and parked). An implementation is one file under `targets/`, and passes `onward.conformance.target`.
"""

from __future__ import annotations

from typing import Any, Protocol

from onward.errors import WentBack
from onward.log import Claim, Commit, Lease
from onward.undo import Undo


class Transaction(Protocol):
    """A unit's transaction, which is open; for one thread at a time. It is ended by `commit` or `roll_back`, and by
    nobody else."""

    @property
    def tx(self) -> Any:
        """What handlers get."""

    def undo(self, tables: Undo) -> Undo:
        """Takes back single calls. `tables` is where their calls of tables go.

        What it raises is about the transaction, not the call: `DatabaseAway` where the database has gone away,
        `Overruled` where it has preferred another transaction.
        """

    def check(self) -> None:
        """To be called after the handlers.

        Raises:
            Refused: one of them has ended the transaction; nothing of it was kept.
        """

    def commit(self, next_: int, unit: str, commit: Commit) -> None:
        """Writes ledger row and cursor, and commits with the effect. Where it raises, `roll_back` has to follow.

        Raises:
            DatabaseAway, Overruled: nothing was kept, and the unit may be done again.
            StoreUncertain: `Target.kept` can tell whether it was kept.
            Unkeepable: what the handlers have changed breaks a constraint that is checked at the end.
            AlreadyCommitted: a unit of this name was kept before.
        """

    def roll_back(self) -> None:
        """Ends the transaction without effect, if it is open."""


class Target(Protocol):
    """One per process and URL. All methods block; call them in a thread. Those of different stages and partitions may
    be called at the same time.

    Where the database is away they raise `DatabaseAway`, and may be called again.
    """

    def take(self, claim: Claim, was: str | None = None) -> tuple[str, str] | None:
        """Raises the token there, which waits for an open commit; gives the two texts of the last unit if the store
        has yet to learn of it. `was` is the name that the stage had before. Each claim is taken once.

        Raises:
            WentBack: the two cannot have come from the same run of units.
        """

    def learned(self, lease: Lease) -> None:
        """Empties the texts of the last unit, which the store knows now."""

    def begin(self, lease: Lease, last: str | None) -> Transaction:
        """Opens a transaction, and checks the token and that `last` is the last unit there.

        Raises:
            LeaseLost: somebody else has taken it.
            WentBack: the database has lost units.
        """

    def kept(self, lease: Lease, unit: str) -> bool:
        """Whether a unit was kept whose commit has not said so. Waits for a commit that is still under way.

        Raises:
            LeaseLost: somebody else has taken it.
        """

    def close(self) -> None: ...


class Still(Protocol):
    """A database as it is at one moment, to be worked on without changing it: for a dry run. All methods block."""

    def hold(self) -> None:
        """From now on nobody else commits a unit there, until `look`; so what else is looked at in the meantime is of
        the same moment. Where there is no such database it is empty."""

    def look(self) -> None:
        """Takes the moment; others may go on."""

    def target(self) -> Target:
        """For work on what was seen. Nothing of it is kept."""

    def close(self) -> None:
        """Lets go of everything. Calling it again does nothing."""


def agreed(told: str, claim: Claim, token: int, last: str | None) -> bool:
    """Whether a target, in which a stage and partition has this token and last unit, is one unit ahead of the store;
    else both know the same last unit. `told` is how people are told which database it is.

    Raises:
        WentBack: neither; one of them is not the database that it was.
    """
    lease = claim.lease
    where = f"{lease.stage} partition {lease.partition}"
    if token >= lease.token:
        raise WentBack(
            f"{where}: {told} has seen token {token}, the store gives {lease.token}, which is to be larger than any "
            "before; the store is older than its target: restore the newer one (or, for a new store, delete the "
            "stage's rows in onward_cursor and onward_ledger there)"
        )
    ahead = last is not None and last == unit_after(claim.unit, claim.incarnation)
    if last != claim.unit and not ahead:
        raise WentBack(
            f"{where}: the last unit in {told} is {last}, the last one that the store knows is {claim.unit}; one of "
            "the two was replaced or restored from a copy, and going on would lose or repeat records: bring the right "
            "one back"
        )
    return ahead


def unknown(told: str, claim: Claim) -> None:
    """To be called where a target knows nothing of a stage and partition.

    Raises:
        WentBack: it should.
    """
    if claim.unit is not None:
        raise WentBack(
            f"{claim.lease.stage} partition {claim.lease.partition}: {told} knows nothing of it, but the store has "
            f"delivered there up to {claim.next}; it was replaced or restored: bring the right database back"
        )


def unit_after(last: str | None, incarnation: str) -> str:
    """The name of the unit that follows; names grow as text, and differ between stores."""
    return f"{int(last.split('@')[0]) + 1 if last else 1:012d}@{incarnation}"
