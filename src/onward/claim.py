"""Where work stands, as values: what a worker is told when it takes something up, and while it goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from onward.commit import Lease, Parked, Request, SourceState, Span, Totals


class Range(NamedTuple):
    """What is to be replayed of one partition: from `first` to before `end`; `gone` before it were asked for, but are
    kept no more."""

    partition: int
    first: int
    end: int
    gone: int = 0


class Replay(Struct, frozen=True):
    """A numbered job: a stage is given records once more, beside its live work and with counts of its own.

    What it commits is kept under a name of its own, `STAGE~NUMBER`, and checked against the stage's lease.
    """

    stage: str
    ranges: tuple[Range, ...]
    key: str | None = None
    rate: float | None = None
    """Records a second, over all partitions."""
    same_id: bool = False
    by: str = ""
    at: float = 0.0
    number: int = 0
    cancelled: bool = False

    @property
    def name(self) -> str:
        return f"{self.stage}~{self.number}"


def stage_of(name: str) -> str:
    """The stage whose lease counts: of a replay's name that of its stage, else the name itself."""
    return name.partition("~")[0]


class Claim(Struct, frozen=True):
    """A lease, and where its work stands.

    `ahead` are spans finished beyond `next`, ascending; `parked` is without copies, ascending by offset;
    `incarnation` is that of the stage's topic, and stays when the topic is renamed (empty for a source); `unit` is the
    greatest that was kept, as text; `crashes` how many holders in a row, up to the last one, were gone without having
    given the lease back, each within `QUICK` seconds (the first of them after any time); `shapes` are fingerprint and
    text of the shapes under which records of its topic may have been written, the oldest first.
    """

    lease: Lease
    next: int
    ahead: Sequence[Span]
    totals: Totals
    parked: Sequence[Parked]
    incarnation: str
    source: SourceState
    unit: str | None = None
    crashes: int = 0
    shapes: Sequence[tuple[str, str]] = ()


class News(NamedTuple):
    """What a worker looks for when something may have changed: the ends of partitions, open requests, which
    stages and sources are paused, whoever asked, and replays that are not over, by number, each with those of its
    ranges that are not."""

    ends: Mapping[tuple[str, int], int]
    requests: Sequence[Request]
    paused: Collection[str] = ()
    replays: Sequence[Replay] = ()


class Met(NamedTuple):
    """A living worker: which stages and sources it runs; and by how many seconds what its clock said when it was last
    heard of lies before what the clock here says now. Below nought its clock is fast, or ours slow."""

    wants: Sequence[str]
    ago: float
