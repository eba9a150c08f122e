"""What one step changes, as values: a `Commit` is kept whole or not at all.

All values are frozen; all instants are seconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct, field

from onward.document import Edit

Span = tuple[int, int]
"""Offsets from the first, to before the second."""

State = Literal["retrying", "dead", "waiting", "running", "behind"]
STATES: tuple[State, ...] = ("retrying", "dead", "waiting", "running", "behind")


class Block(NamedTuple):
    """`count` records from `offset` on; `entries` is the JSON array `[[origin, key, time, headers, value], ...]`."""

    offset: int
    count: int
    entries: bytes
    nonce: str


class Append(NamedTuple):
    """A block of at least one record to be written; `keys` is the summary that `codec.key_summary` makes, `origins`
    the narrowest span of input offsets that its records were made from, None where they came from outside; `partitions`
    how many its topic was taken to have when the partition was chosen, 0 where that is not said."""

    topic: str
    partition: int
    count: int
    entries: bytes
    keys: bytes | None
    origins: Span | None = None
    partitions: int = 0


class Totals(Struct, frozen=True):
    """What a stage has done in one partition since its start; `done` includes dropped."""

    done: int = 0
    dropped: int = 0
    emitted: dict[str, int] = field(default_factory=dict)


class Parked(Struct, frozen=True):
    """A record set aside. `entry` is its copy as JSON; `batch` names those that are to be tried together."""

    offset: int
    key: str | None
    state: State
    due: float
    attempts: int
    since: float
    error: str = ""
    reason: str = ""
    batch: str | None = None
    approved: bool = False
    entry: bytes = b""
    nonce: str = ""


class Attempt(NamedTuple):
    """One call for one record: when, how long in seconds, and how it failed (empty: it did not). Its number is 0 where
    it does not count, as when its worker was gone."""

    offset: int
    number: int
    at: float
    took: float
    error: str
    message: str
    traceback: str

    @property
    def told(self) -> str:
        """How people are told which one it is."""
        return f"attempt {self.number}" if self.number else "attempt that does not count"


class Mark(NamedTuple):
    """By what repeats of the record with an offset are told, and since when."""

    text: str
    offset: int
    at: float


class Lease(Struct, frozen=True):
    """The right to change everything of one stage (or source) and partition. Tokens only grow."""

    stage: str
    partition: int
    worker: str
    token: int


class Request(NamedTuple):
    """What somebody asks the holder to do with parked records that match. To decide, `match` says besides what: a
    `decision` with `choice` and `note`. `value` is JSON: what an edit puts in."""

    id: int
    stage: str
    partition: int
    action: Literal["retry", "drop", "decide", "edit"]
    match: dict[str, object]
    by: str
    at: float
    value: str | None = None


class Answer(NamedTuple):
    """What came of a request, and the offsets that it was carried out on."""

    id: int
    result: str
    offsets: Sequence[Span] = ()


class SourceState(Struct, frozen=True):
    """Where a source is. `cursor` is JSON, None before the first checkpoint."""

    cursor: bytes | None = None
    emitted: dict[str, int] = field(default_factory=dict)
    last_run: float | None = None
    next_run: float | None = None
    state: str = "idle"


class Commit(Struct, frozen=True, kw_only=True):
    """All that one step changes, kept whole or not at all.

    Args:
        lease: checked in the same transaction; None for what somebody puts, then only `appends` and `tables` count.
        appends: blocks, in order.
        finished: the spans of input offsets that are done with this commit, ascending; each offset only once, ever.
        next: the end of the gapless prefix of what is finished or parked; None where it does not move.
        totals: the running totals with this commit in; None where they do not change.
        unpark: offsets whose parked row goes.
        park: parked rows to write, whole, over what is there for their offset; written after `unpark`.
        promote: offsets behind that are the oldest of their key now, and when each is due: they become `retrying`,
            since then. One that is not `behind` stays as it is.
        attempts: to be remembered.
        marks: to be remembered, each over what is there for its text.
        forget: an offset and an instant: marks before either may go, sooner or later.
        source: the state of a source to keep.
        answered: requests that are carried out with this commit, with what came of them; the first answer counts.
        tables: changes of documents, in the order in which they were made; written before anything else is locked, by
            table and key, so that commits wait for each other in one direction only.
        closes: the replay that the lease names is over in this partition.
        drops: which of `finished` a handler or a person has dropped, by reason.
        unit: a name, of this stage and partition, under which a repeated commit is recognised (`AlreadyCommitted`).
    """

    lease: Lease | None = None
    appends: Sequence[Append] = ()
    finished: Sequence[Span] = ()
    next: int | None = None
    totals: Totals | None = None
    park: Sequence[Parked] = ()
    unpark: Sequence[int] = ()
    promote: Sequence[tuple[int, float]] = ()
    attempts: Sequence[Attempt] = ()
    marks: Sequence[Mark] = ()
    forget: tuple[int, float] | None = None
    source: SourceState | None = None
    answered: Sequence[Answer] = ()
    drops: Sequence[tuple[str, Sequence[Span]]] = ()
    tables: Sequence[Edit] = ()
    closes: bool = False
    unit: str | None = None
