"""The port of a move: a store as it leaves one home and comes into another.

`Carrier` is what `onward move` needs of a kind of store, besides `Log` and `Books`: the mark that says whose a home
is, and rows, as they go from one home to the other. The steps stand in `onward.move`.

Rows travel as tuples whose fields `KINDS` names, the same for all kinds of stores: names, numbers and flags (0 or 1) as
they are, JSON and the entries of blocks as the text that they are, key summaries as bytes, instants as ISO 8601 text in
UTC with microseconds and `Z`. Nothing is decoded on the way, and offsets, incarnations, nonces, tokens and the numbers
of requests, runs and replays stay what they are, so every `Record.id` does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from onward.units import instant_text

Row = tuple[Any, ...]

KINDS: Mapping[str, tuple[str, ...]] = {
    "app": ("name", "declaration", "written"),
    "topic": ("name", "incarnation", "partitions", "made", "forgotten", "held"),
    "shape": ("topic", "fingerprint", "shape", "since"),
    "retained": ("topic", "partition", "offset", "count"),
    "source": ("name", "cursor", "emitted", "last_run", "next_run", "state"),
    "begin": ("stage", "partition", "topic", "offset"),
    "renamed": ("was", "name"),
    "gone": ("name", "since"),
    "pause": ("name", "by", "since"),
    "lease": ("stage", "partition", "worker", "token", "until", "state", "taken", "crashes"),
    "budget": ("name", "free_at", "at", "per_second"),
    "statistic": ("stage", "partition", "minute", "count", "commits"),
    "folded": ("stage", "partition", "finished"),
    "progress": (
        "stage", "partition", "first", "last", "next", "count", "written", "unit", "finished", "totals", "dropped",
    ),
    "parked": (
        "stage", "partition", "offset", "state", "key", "due", "attempts", "since", "error", "reason", "batch",
        "approved", "nonce", "entry",
    ),
    "attempt": ("stage", "partition", "offset", "number", "at", "took", "error", "message", "traceback"),
    "seen": ("stage", "partition", "mark", "offset", "at"),
    "request": (
        "id", "stage", "partition", "action", "match", "by", "at", "done", "result", "value", "offsets",
    ),
    "replay": ("number", "stage", "key", "rate", "same_id", "by", "at", "cancelled"),
    "replay_range": ("number", "partition", "first", "last", "gone", "closed"),
    "run": (
        "id", "task", "by", "process", "started", "ended", "arguments", "outcome", "error", "result", "output",
    ),
    "document_table": ("name", "declaration"),
    "document": ("table", "key", "version", "state", "value", "at"),
    "document_history": ("table", "key", "version", "action", "state", "value", "at", "by", "origin"),
    "block": (
        "topic", "partition", "offset", "count", "written", "nonce", "size", "keys", "entries",
        "maker", "origin_partition", "origin_first", "origin_end",
    ),
    "put": ("topic", "count"),
    "counter": ("name", "value"),
}  # fmt: skip
"""What is carried, in this order. Rows of `shape`, `attempt` and `block`, and those of `progress` of a stage and
partition, come in the order in which they were written, and are numbered anew by the store that takes them.

The last two say what stores count each in its own way: how many records were `put` into a topic, by no stage or source;
and as a `counter` the last number that was given to a `request`, `replay` or `run`, and how many rows of `progress`
were ever written, but for those of stages that have been forgotten.

Not carried: who lives and what it holds just now (workers, call slots), and what can be made from the rest (indexes of
tables)."""

COUNTS = ("put", "counter")
"""Kinds that are no rows of a store."""

ROWS, BYTES = 2_000, 4_000_000
"""Of so many rows or bytes is a load; the last row may go beyond."""

State = Literal["here", "leaving", "moved", "arriving"]


class Mark(Struct, frozen=True):
    """Whose a home is. `move` names the move, the same in both homes; `other` is the URL of the other one, without its
    password."""

    state: State
    move: str = ""
    other: str = ""
    by: str = ""
    at: float = 0.0

    def told(self, store: str) -> str:
        """What somebody is told who wants to write to this store (or, while it arrives, to use it at all)."""
        who = f"by {self.by} since {instant_text(self.at)}"
        match self.state:
            case "leaving":
                return (
                    f"{store} is being moved to {self.other} ({who}) and takes nothing meanwhile; the same `onward "
                    "move` again goes on where it was, `onward move --cancel` gives it up"
                )
            case "moved":
                return (
                    f"{store} has moved to {self.other} ({who}); name that one by --store, ONWARD_STORE or "
                    "onward.toml. What is here can be read, and is not carried on"
                )
            case "arriving":
                return (
                    f"{store} is not whole: {self.other} is being moved here ({who}); the same `onward move` again "
                    "goes on where it was; if that was given up, delete what is here or name another place"
                )
        return f"{store} is a store at work"


class Place(NamedTuple):
    """How far a move has come: up to where of which kind. `after` is for the giving store to understand."""

    kind: str = next(iter(KINDS))
    after: str = ""


class Load(NamedTuple):
    """Rows of one kind, and the place after them."""

    rows: Sequence[Row]
    place: Place


def told(held: Mapping[str, Collection[str]]) -> list[str]:
    """Who is at work in a store, as what is in the way of its leaving: by worker what each holds or wants."""
    return [
        f"worker {worker} runs {', '.join(sorted(names)) or 'what it has yet to say'}; stop it first"
        for worker, names in sorted(held.items())
    ]


class Carrier(Protocol):
    """A home of a store, also one that `Log` refuses because of its mark.

    Every method may raise `StoreAway` or `StoreUncertain`, after which a move is gone on with from what the marks say.
    What they change is one transaction each, on disk when they return.
    """

    shown: str
    """The URL as anybody may see it: complete, so that it means the same everywhere, and without a password."""

    async def mark(self) -> Mark | None:
        """The mark; `here` where there is none and the store holds something; None where nothing is there at all."""

    async def leave(self, mark: Mark) -> None:
        """Marks a store that works. From then on it keeps no change that anybody makes, by whichever handle, also one
        that was open before, of this version or an older one: each is refused, and told why.

        Raises:
            InUse: workers live, or hold leases; nothing was changed.
            StoreMoved: it has a mark already.
        """

    async def arrive(self, mark: Mark) -> Place:
        """Marks an empty home, made if need be; or gives the place of this same move, which is under way there. Until
        it is marked `here`, it is refused as a store.

        Raises:
            Refused: something else is there.
        """

    async def give(self, place: Place, most: int = ROWS) -> Load:
        """Rows from a place on, of its kind, `most` or `BYTES` of them; none at the end. Right while nothing changes,
        as after `leave`."""

    async def take(self, mark: Mark, before: Place, load: Load) -> None:
        """Keeps rows, and how far it has come, if it had come to `before` in this move.

        Raises:
            Refused: it had not; nothing was kept. Somebody else is at it, or has ended it.
        """

    async def change(self, mark: Mark, state: State) -> None:
        """Puts another state into a mark: `leaving` to `moved` or `here`, `arriving` to `here`. In the state `here` the
        store takes changes again.

        Raises:
            StoreMoved: it has not this mark any more; nothing was changed.
        """

    async def count(self) -> Mapping[str, int]:
        """How many rows of each kind there are; and of blocks the `records` and `bytes`."""

    async def close(self) -> None:
        """Lets go. Calling it again does nothing."""
