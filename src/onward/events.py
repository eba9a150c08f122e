"""What can be seen: one dataclass per event. Observers get them; an observer's failure never touches the work.

They are told in the order in which they happen in a lane or source, from several threads, and are not kept: what counts
stands in the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_log = logging.getLogger("onward")


@dataclass(frozen=True, slots=True)
class Event:
    """The root of all events.

    `stage`, `source` and `name` are full names, `partition` is a number, `position` that of a record as text, `key` its
    key, None without. `error` is the exception; `what` and `reason` are texts for people, `took`, `ahead`, `again_in`
    and `probe_in` seconds. `worker` is its name, `HOST~WHERE/PID/START/NONCE`,
    `store` a URL without secrets.
    """


@dataclass(frozen=True, slots=True)
class WorkerStarted(Event):
    """A worker has opened its store and takes leases."""

    worker: str
    store: str


@dataclass(frozen=True, slots=True)
class WorkerStopped(Event):
    """It has given back its leases and ends."""

    worker: str


@dataclass(frozen=True, slots=True)
class LeaseTaken(Event):
    """A stage's partition, or a source (partition 0), is this worker's now, under a `token` greater than all before."""

    stage: str
    partition: int
    token: int


@dataclass(frozen=True, slots=True)
class LeaseGone(Event):
    """Somebody else has it; what was in hand and not committed is theirs to do."""

    stage: str
    partition: int


@dataclass(frozen=True, slots=True)
class Committed(Event):
    """A commit of a stage: how many records it `finished`, `parked` and `emitted`; `next` is the end of the gapless
    prefix of what is finished or parked."""

    stage: str
    partition: int
    next: int
    finished: int
    parked: int
    emitted: int


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """A call for one record failed, at its `attempt`; it is `state` now. `error` is the exception, None for an
    outcome."""

    stage: str
    position: str
    key: str | None
    attempt: int
    state: str
    reason: str
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """A record waits for a person: as its handler has said or, in a review, for a decision (`choices`)."""

    stage: str
    position: str
    key: str | None
    reason: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tripped(Event):
    """The outside of a stage is away: one record probes, in so many seconds. Told at each probe that fails, too."""

    stage: str
    reason: str
    probe_in: float


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """A probe got a verdict: the stage works again."""

    stage: str


@dataclass(frozen=True, slots=True)
class Stuck(Event):
    """A plain `def` overran its `timeout=`; its partition commits nothing more in this process."""

    stage: str
    partition: int


@dataclass(frozen=True, slots=True)
class Deaf(Event):
    """An `async def` went on after it was cancelled at the end of the grace; the process ends without it."""

    stage: str
    partition: int


@dataclass(frozen=True, slots=True)
class Full(Event):
    """As many records are `parked` as the partition may have; it stops reading. `key` has the most of them."""

    stage: str
    partition: int
    parked: int
    key: str | None


@dataclass(frozen=True, slots=True)
class Conflicted(Event):
    """A commit found another version of a document; what was called since is called again."""

    stage: str
    partition: int
    reason: str


@dataclass(frozen=True, slots=True)
class Progressed(Event):
    """What a handler said by `progress(done, total)`; `total` is None where it did not say."""

    stage: str
    position: str
    key: str | None
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Withheld(Event):
    """In a dry run, a call that would act outside and was not made; `value` is what it would be given, `id` the
    `Record.id` that it would have."""

    stage: str
    position: str
    key: str | None
    value: object
    id: str


@dataclass(frozen=True, slots=True)
class Replayed(Event):
    """Replay `number` of a stage is over in one partition: so many records are `done`, so many `failed`."""

    stage: str
    partition: int
    number: int
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class SourceRan(Event):
    """A source returned; so many `records` came in this call."""

    source: str
    records: int
    took: float


@dataclass(frozen=True, slots=True)
class SourceFailed(Event):
    """A source raised; it is called again in so many seconds, from the cursor saved last."""

    source: str
    error: BaseException
    again_in: float


@dataclass(frozen=True, slots=True)
class Waits(Event):
    """A source or stage waits, or goes slowly, as those behind it have too much to do; the text says who."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class SourceElsewhere(Event):
    """A run that ends calls this source no more: another worker has it and did not hand it over."""

    source: str
    worker: str


@dataclass(frozen=True, slots=True)
class SavedFailed(Event):
    """The function of `saved=` raised for a cursor, which is saved all the same."""

    source: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class StoreAbsent(Event):
    """The store cannot be used; the worker waits and tries again."""

    what: str
    again_in: float


@dataclass(frozen=True, slots=True)
class DatabaseAbsent(Event):
    """A database of `within=` cannot be used; the stage waits and tries again."""

    what: str
    again_in: float


@dataclass(frozen=True, slots=True)
class ClocksDiffer(Event):
    """The clock of another worker is so many seconds ahead of this one's."""

    worker: str
    ahead: float


@dataclass(frozen=True, slots=True)
class Swept(Event):
    """Retention has deleted so many `blocks`, and folded so many `rows`."""

    blocks: int
    rows: int
    took: float


@dataclass(frozen=True, slots=True)
class ProcessEnded(Event):
    """The process with this number, of those of a parent, ended by itself with this exit `code` (128 and the number of
    the signal that ended it). In `again_in` seconds it is started again; None: it is not."""

    process: int
    code: int
    again_in: float | None


@dataclass(frozen=True, slots=True)
class ReplayAwaited(Event):
    """A run that ends waits for a replay of `records` offsets to be over."""

    stage: str
    number: int
    records: int


@dataclass(frozen=True, slots=True)
class Trouble(Event):
    """Something of a stage or source cannot go on until somebody acts; the text says what to do."""

    name: str
    what: str


Observer = Callable[[Event], None]


class Observers:
    """Tells all observers."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def __call__(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                _log.exception("an observer failed at %s", type(event).__name__)
