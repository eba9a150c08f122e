"""What becomes of the records of a unit after it was called: done, tried again, set aside, dead."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from onward.call import Called, Unit
from onward.codec import KEY
from onward.draft import Draft
from onward.errors import BadRecord, CallFailed, WorkerGone
from onward.failure import Failure, storable, traceback_of
from onward.log import Attempt, Parked, State
from onward.outcome import Drop, Hold, Later, Reject
from onward.settings import masked
from onward.span import spans_but
from onward.stage import Stage

REASON = 500
"""Letters that are kept of why a record was dropped."""


def settle(stage: Stage, unit: Unit, called: Called, now: float, chance: Callable[[], float]) -> Draft:
    """The changes that a unit's outcome means. Reads nothing but its arguments."""
    draft = Draft()
    chunk = unit.chunk
    offsets = chunk.offsets
    out = {failure.index for failure in called.failures}
    draft.finished = spans_but(offsets, [*out.union(called.behind, called.rest)])
    draft.done = len(called.done)
    draft.drop((storable(masked(reason))[:REASON], offsets[index]) for index, reason in called.drops)
    draft.appends = called.appends
    draft.edits = called.edits
    draft.emitted = called.records
    if unit.parked is not None:
        for i in called.done:
            draft.unpark[offsets[i]] = None
            if (attempts := unit.parked[i].attempts) or unit.parked[i].state != "behind":
                draft.attempts.append(Attempt(offsets[i], attempts + 1, now, 0.0, "", "", ""))
    for failure in called.failures:
        row = _parked(stage, unit, failure, now, chance)
        draft.park[row.offset] = row
        if (attempt := _attempt(row, failure, now)) is not None:
            draft.attempts.append(attempt)
    if unit.parked is None:
        for i in called.behind:
            draft.park[offsets[i]] = behind(unit, i, now)
    if called.done or called.failures or (called.behind and unit.parked is None):
        draft.units = 1
    return draft


def behind(unit: Unit, index: int, now: float) -> Parked:
    """The row of a record that queues behind a parked one of its key."""
    offset = unit.chunk.offsets[index]
    return Parked(
        offset=offset,
        key=unit.chunk.entries[index][KEY],
        state="behind",
        due=now,
        attempts=0,
        since=now,
        entry=unit.chunk.raw(offset),
        nonce=unit.chunk.nonce(offset),
    )


def _parked(stage: Stage, unit: Unit, failure: Failure, now: float, chance: Callable[[], float]) -> Parked:
    before = unit.parked[failure.index] if unit.parked is not None else None
    if before is None or before.state == "behind":
        before = msgspec.structs.replace(before or behind(unit, failure.index, now), since=now)
    state, due, attempts, reason = _verdict(stage, before, failure, now, chance)
    if stage.review is not None and state != "waiting":
        reason = reason or before.reason  # what was decided
    return msgspec.structs.replace(
        before,
        state=state,
        due=due,
        attempts=attempts,
        reason=storable(masked(reason)),
        error=f"{failure.kind}: {failure.message}" if failure.error is not None else "",
        batch=failure.batch if state == "retrying" else None,
        approved=before.approved and state == "retrying",
    )


def _verdict(
    stage: Stage, before: Parked, failure: Failure, now: float, chance: Callable[[], float]
) -> tuple[State, float, int, str]:
    """The state, when it is due, how many attempts count, and the reason that was given."""
    attempts = before.attempts
    outcome = failure.outcome
    if isinstance(outcome, Later):
        given_up = outcome.give_up_seconds is not None and now - before.since >= outcome.give_up_seconds
        return (
            ("dead", now, attempts, "gave up waiting")
            if given_up
            else ("retrying", now + outcome.seconds, attempts, "")
        )
    if isinstance(outcome, Hold):
        return "waiting", now, attempts, outcome.reason
    if isinstance(outcome, Reject | Drop):
        return "dead", now, attempts + 1, outcome.reason
    error = failure.error
    assert error is not None
    if isinstance(error, WorkerGone) and not stage.long:
        # Perhaps the call did it, perhaps somebody who ended the process just then. So it never dies of that; it is
        # tried again, each time after as long as it has been known, and others go on meanwhile.
        return "retrying", now + stage.retry.within(now - before.since), attempts, ""
    attempts += 1
    if (
        isinstance(error, BadRecord)
        or (isinstance(error, CallFailed) and error.final)
        or stage.retry.gives_up(attempts, error)
    ):
        return "dead", now, attempts, ""
    return "retrying", now + stage.retry.delay(attempts, chance), attempts, ""


def _attempt(row: Parked, failure: Failure, now: float) -> Attempt | None:
    if failure.error is not None:
        text = traceback_of(failure.error)
        return Attempt(row.offset, row.attempts, now, failure.took, failure.kind, failure.message, text)
    if isinstance(failure.outcome, Reject):
        return Attempt(row.offset, row.attempts, now, failure.took, "Reject", row.reason, "")
    return None
