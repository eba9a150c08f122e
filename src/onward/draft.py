"""What units of work have changed and is not committed yet; several become one commit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from onward.commit import Answer, Mark
from onward.document import Edit
from onward.log import Append, Attempt, Commit, Lease, Parked, Span, Totals
from onward.span import merged, spans_of


class Draft:
    """Gathers in the order in which units end; what comes later wins over what came earlier for one offset."""

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.finished: list[Span] = []
        self.dropped = 0
        self.done = 0
        self.emitted: dict[str, int] = {}
        self.park: dict[int, Parked] = {}
        self.unpark: dict[int, None] = {}
        self.promote: dict[int, float] = {}
        self.attempts: list[Attempt] = []
        self.marks: list[Mark] = []
        self.forget: tuple[int, float] | None = None
        self.answered: list[Answer] = []
        self.edits: list[Edit] = []
        self.drops: dict[str, list[int]] = {}
        self.units = 0

    @property
    def empty(self) -> bool:
        return not (self.units or self.park or self.unpark or self.promote or self.answered)

    @property
    def size(self) -> int:
        """Bytes of what it appends and parks."""
        parked = sum(len(row.entry) for row in self.park.values())
        return parked + sum(len(append.entries) for append in self.appends)

    def drop(self, drops: Iterable[tuple[str, int]]) -> None:
        """Counts records, each given by a reason and its offset, as dropped."""
        for reason, offset in drops:
            self.drops.setdefault(reason, []).append(offset)
            self.dropped += 1

    def add(self, other: Draft) -> None:
        """Takes over what ended after this."""
        self.appends += other.appends
        self.finished += other.finished
        self.dropped += other.dropped
        for reason, offsets in other.drops.items():
            self.drops.setdefault(reason, []).extend(offsets)
        self.done += other.done
        for topic, count in other.emitted.items():
            self.emitted[topic] = self.emitted.get(topic, 0) + count
        for offset, row in other.park.items():
            self.unpark.pop(offset, None)
            self.park[offset] = row
        for offset in other.unpark:
            self.park.pop(offset, None)
            self.promote.pop(offset, None)
            self.unpark[offset] = None
        self.promote.update(other.promote)
        self.attempts += other.attempts
        self.marks += other.marks
        self.forget = other.forget or self.forget
        self.answered += other.answered
        self.edits += other.edits
        self.units += other.units

    def totals(self, before: Totals) -> Totals:
        """The running totals with this in."""
        emitted = dict(before.emitted)
        for topic, count in self.emitted.items():
            emitted[topic] = emitted.get(topic, 0) + count
        return Totals(before.done + self.done, before.dropped + self.dropped, emitted)

    def commit(self, lease: Lease, next_: int, before: Totals, unit: str | None = None) -> Commit:
        """The commit of all that is gathered, `next_` being where the gapless prefix ends with it."""
        moves = bool(self.units or self.finished)
        return Commit(
            lease=lease,
            appends=self.appends,
            finished=merged(self.finished),
            next=next_ if moves else None,
            totals=self.totals(before) if moves else None,
            park=list(self.park.values()),
            unpark=list(self.unpark),
            promote=list(self.promote.items()),
            attempts=self.attempts,
            marks=self.marks,
            forget=self.forget,
            answered=self.answered,
            tables=self.edits,
            drops=[(reason, spans_of(sorted(offsets))) for reason, offsets in self.drops.items()],
            unit=unit,
        )


def relay_text(commit: Commit) -> tuple[str, str]:
    """A commit as the two texts of a ledger row: its outputs, and all the rest of it."""
    rest = msgspec.structs.replace(commit, appends=(), lease=None)
    return _ascii(msgspec.json.encode(commit.appends).decode()), _ascii(msgspec.json.encode(rest).decode())


def _ascii(text: str) -> str:
    """JSON that a database of any encoding can keep."""
    return text if text.isascii() else re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)


def relay_from(outputs: str, rest: str, lease: Lease) -> Commit:
    """The commit that a ledger row holds, under the lease of who relays it."""
    appends: Any = msgspec.json.decode(outputs, type=list[Append])
    # What a unit has emitted there goes where it was to go then, or never.
    appends = [append._replace(partitions=0) for append in appends]
    return msgspec.structs.replace(msgspec.json.decode(rest, type=Commit), appends=appends, lease=lease)
