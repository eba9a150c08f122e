"""A review: a stage whose worker is a person. Its records wait until somebody decides; then its function is called.

What was decided stands as the reason of the parked record, in JSON, until the record is done; so it survives retries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from onward.log import Parked, Request
from onward.outcome import Hold

if TYPE_CHECKING:
    from onward.call import Called, Unit
    from onward.draft import Draft

UNDECIDED = Hold("")
"""What becomes of a record that nobody has decided on."""


class Decision(Struct, frozen=True):
    """What somebody decided: the `choice`, one of the review's; a `note`, empty without; `by` whom; `at`, in UTC."""

    choice: str
    note: str
    by: str
    at: datetime


class Review(Struct, frozen=True):
    """The options of a review: what may be chosen, and whether only the newest record of a key waits."""

    choices: tuple[str, ...]
    newest: bool = False

    def decide(self, request: Request, copies: Sequence[Parked], now: float) -> tuple[list[Parked], str]:
        """The rows that wait no more, due at once, and what is answered."""
        said = request.match.get("decision")
        choice, note = (str(said.get("choice")), str(said.get("note", ""))) if isinstance(said, dict) else ("", "")
        if choice not in self.choices:
            return [], f"refused: {choice!r} is no choice here; there are {', '.join(self.choices)}"
        decision = Decision(choice, note, request.by, datetime.fromtimestamp(request.at, UTC))
        reason = msgspec.json.encode(decision).decode()
        rows = [
            replace(row, state="retrying", due=now, attempts=0, approved=True, batch=None, reason=reason)
            for row in copies
        ]
        return rows, f"{len(rows)} decided: {choice}"


def decision_of(row: Parked) -> Decision | None:
    """What was decided on a parked record; None while nothing is."""
    if row.state == "waiting" or not row.reason.startswith("{"):
        return None
    try:
        return _decisions.decode(row.reason)
    except msgspec.MsgspecError:
        return None


def supersede(unit: Unit, called: Called, draft: Draft, rows: Mapping[int, Parked]) -> None:
    """Drops, in the draft, all that wait but the newest of their key: of those that the unit has parked, and of those
    that were parked before (`rows`)."""
    fresh = {row.offset: row for row in _waiting(draft.park.values())}
    keys = {row.key for row in fresh.values()}
    if not keys:
        return
    found = {row.offset: row for row in _waiting(rows.values()) if row.key in keys} | fresh
    newest: dict[str | None, int] = {}
    for offset, row in found.items():
        newest[row.key] = max(offset, newest.get(row.key, offset))
    gone = {offset for offset, row in found.items() if offset != newest[row.key]}
    for offset in gone:
        draft.park.pop(offset, None)
        if offset in rows:
            draft.unpark[offset] = None
        draft.finished.append((offset, offset + 1))
    draft.done += len(gone)
    draft.drop(("superseded by a newer record of its key", offset) for offset in sorted(gone))
    called.failures = [failure for failure in called.failures if unit.chunk.offsets[failure.index] not in gone]


def _waiting(rows: Iterable[Parked]) -> list[Parked]:
    return [row for row in rows if row.state == "waiting" and row.key is not None]


_decisions = msgspec.json.Decoder(Decision)
