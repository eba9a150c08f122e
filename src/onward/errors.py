"""Every error of Onward, on one page. Each says what happened, where, and what to do next.

`OnwardError` is the root. A `Refused` is the user's to mend (exit code 2), a `StoreAway` passes by itself, a
`Broken` means that the store holds something that it must not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class OnwardError(Exception):
    """The root of all errors raised by Onward itself. Each says what happened, where, and what to do next; `exit_code`
    is what a command ends with."""

    exit_code = 1


class Refused(OnwardError):
    """What was asked cannot be done as it was said: wrong usage, declaration or configuration."""

    exit_code = 2


class Fault(NamedTuple):
    """One thing wrong with a declaration: the place as `file:line`, and what is wrong there."""

    where: str
    what: str


class DeclarationError(Refused):
    """An app is declared in a way that cannot work. `faults` holds all that was found, not only the first."""

    def __init__(self, app: str, faults: Sequence[Fault]) -> None:
        self.app = app
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault.where}: {fault.what}" for fault in faults)
        super().__init__(f"app {app!r} has {len(faults)} fault(s) in its declaration:\n{lines}")


class SettingError(Refused):
    """A setting is missing or cannot be read as its type. Never contains the value of a secret."""


class NotThere(OnwardError):
    """One thing was asked for, by key, position or number, and there is none."""


class AppNotFound(Refused):
    """No app under the name or path that was given."""


class MissingExtra(Refused):
    """Something needs an optional part of Onward that is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs what is not installed here: pip install 'onward[{extra}]'")


class StoreNewer(Refused):
    """The store was written by a newer Onward; nothing in it was changed."""

    def __init__(self, store: str, found: int, known: int) -> None:
        super().__init__(
            f"{store} has schema version {found}, this program knows up to {known}; "
            "install the newer onward, or name another store by --store"
        )


class StoreNotFound(Refused):
    """The store that a reading command names does not exist."""

    def __init__(self, store: str, file: str = "") -> None:
        where = f"{store} ({file})" if file else store
        super().__init__(f"there is no store at {where}; `onward run APP` or `onward put` makes one")


class StoreMoved(Refused):
    """A store takes nothing, as it has moved to another home, is on its way there, or is not whole yet."""


class PartitionsDiffer(Refused):
    """A program declares a topic with another number of partitions than it has in the store."""

    def __init__(self, topic: str, has: int, declared: int) -> None:
        super().__init__(
            f"topic {topic} has {has} partitions in the store and {declared} in the program; the number is fixed, or "
            "keys would change their partition; say the store's, or, once all is delivered, "
            f"`onward repartition {topic} {declared}`"
        )


class TopicNotDeclared(Refused):
    """A new stage reads a topic that no app has declared."""

    def __init__(self, stage: str, topic: str) -> None:
        super().__init__(f"stage {stage} reads topic {topic}, which no app has declared; run that app too")


class TopicDiffers(Refused):
    """A program declares a stage of another topic than it has read until now."""

    def __init__(self, stage: str, was: str, declared: str) -> None:
        super().__init__(
            f"stage {stage} has read topic {was} until now, {declared} in the program; give it another name, or say "
            "was= of the topic if that is what has a new name"
        )


class StartNeeded(Refused):
    """A new stage meets a topic that already has records, and does not say where to begin."""

    def __init__(self, stage: str, topic: str, records: int) -> None:
        holds = f"{records} record" if records == 1 else f"{records} records"
        super().__init__(
            f'stage {stage} is new and topic {topic} already holds {holds}; say start="first" to '
            'deliver them too, or start="now" to begin with what comes next'
        )


class GoneTooLong(Refused):
    """A stage comes back whose topic has deleted, while it was gone, records that it had not seen."""

    def __init__(self, stage: str, partition: str, next_: int, first: int) -> None:
        super().__init__(
            f"stage {stage} was gone for longer than its topic keeps records, and {partition} has deleted offsets "
            f"{next_} to {first - 1}, which it had not seen; `onward forget {stage}`, then declare it with start="
        )


class Renamed(Refused):
    """A program declares a source or stage under a name that it had before a newer program renamed it."""

    def __init__(self, name: str, now: str) -> None:
        super().__init__(
            f"{name} is called {now} in this store: a newer program renamed it by was=, and under the old name all "
            "would be done again; run the newer program, say was= to rename it back, or give what is new another name"
        )


class InUse(Refused):
    """What is to be forgotten or changed is in use; `faults` name all that stands in the way."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


class CannotRead(Refused):
    """A stage's topic holds records of another shape than its program's type, and the stage has no `upgrade=`."""

    def __init__(self, stage: str, topic: str, stored: str, mine: str) -> None:
        super().__init__(
            f"stage {stage} cannot read what topic {topic} holds and is not started: there are records of the shape "
            f"{stored}, the program's type is {mine}; give added fields a default, or say upgrade= of the stage, a "
            "function from the old value as dict to the new one"
        )


class OtherPartitions(Refused):
    """A topic has another number of partitions than who wants to write to it believes; nothing was kept."""

    def __init__(self, topic: str, has: int, believed: int) -> None:
        super().__init__(
            f"topic {topic} has {has} partitions in the store, this program was started with {believed}; say "
            f"partitions={has} and start it again, or a key's records would lose their order"
        )


class ForeignLibrary(Refused):
    """A second SQLite library in this process has, or wants, a file that Onward has open.

    POSIX drops all locks of a process on a file as soon as any descriptor of it is closed, so a second library
    would silently take away the locks of the first and committed rows could be lost.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is open in this process through another SQLite library, whose close would drop our locks; "
            "use apsw (onward.open, or the stage's tx) here, or read the file from another process"
        )


class StoreAway(OnwardError):
    """The store cannot be used just now (locked, disk full, not reachable). Trying again is safe."""


class DatabaseAway(StoreAway):
    """As that, of a database of `within=`. Nothing was kept there."""


class StoreUncertain(OnwardError):
    """The disk failed during a commit: whether it was kept only reading it again can tell.

    Trying again could do it twice, so whoever holds the lease gives it up and starts from what the store says.
    """


class LeaseLost(OnwardError):
    """Somebody else holds the lease by now; nothing of this commit was kept."""

    def __init__(self, stage: str, partition: int, token: int) -> None:
        self.stage, self.partition, self.token = stage, partition, token
        super().__init__(f"{stage} partition {partition}: the lease with token {token} has been taken over")


class Overruled(OnwardError):
    """A database has ended a transaction in favour of another one (a deadlock, a serialization failure). Nothing of it
    was kept; doing it again is safe, and counts no attempt."""


class Unkeepable(OnwardError):
    """What handlers have changed `within` a database breaks a constraint that is checked at the commit."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"what {stage} has changed cannot be committed: {why}")


class AlreadyCommitted(OnwardError):
    """What this commit wants to finish has been finished before; nothing of it was kept."""


class WentBack(OnwardError):
    """A database holds less than it held before: it was restored from a copy, or failed over and lost commits."""


class StoreWentBack(WentBack):
    """A store holds less than a worker saw it keep. Who goes on as if nothing had been would deliver twice, or lose."""

    SIGN = "has lost commits that it had kept"

    @classmethod
    def again(cls, text: str) -> StoreWentBack:
        """For Onward itself: the same as somebody else said it."""
        error = cls.__new__(cls)
        Exception.__init__(error, text)
        return error

    def __init__(self, store: str, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{store} {self.SIGN}: {what} stands at {found} and was at {known}; it was restored "
            "from a copy, or has failed over to a server that was behind. What was delivered outside since then may be "
            "delivered again: look at what is there, then start the workers again"
        )


class Broken(OnwardError):
    """The store holds what it must not hold. `onward audit` says more."""


class BadRecord(OnwardError):
    """A value does not fit its topic's type, or a stored one can no longer be read as it."""


def cut(key: str | None) -> str:
    """For Onward itself: a key as an error shows it: its beginning, where it is long."""
    return repr(key) if key is None or len(key) <= 100 else f"{key[:100]!r}..."


class RecordTooLarge(BadRecord):
    """One record is larger than its topic allows."""

    def __init__(self, topic: str, key: str | None, size: int, most: int) -> None:
        super().__init__(
            f"a record of topic {topic} with key {cut(key)} has {size} bytes, the most is {most}; "
            "raise max_record= of the topic or put the content elsewhere and its address into the record"
        )


class OutsideUnit(Refused):
    """A table is called where no record is being worked on."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"table {table} is called outside of a stage's handler; do it while a handler is called (without isolate=, "
            "and with the table's app among those that run), within `client.commit()`, or by `client.table(...)`"
        )


class Conflict(OnwardError):
    """A document has changed since it was read; nothing of the commit was kept. Read it again and try again. It has
    `table` and `key`."""

    def __init__(self, table: str, key: str, expected: int, found: int) -> None:
        self.table, self.key = table, key
        super().__init__(
            f"table {table}: document {cut(key)} has version {found} by now, it was read at version {expected}; "
            "nothing was kept: read it again and try again"
        )


class MoveRefused(OnwardError):
    """The life-cycle of a table does not lead from a document's state to another one. It has `table`, `key`, `before`
    and `after` (None: where a document begins), and `allowed`. `retry=Retry(reject=(MoveRefused,))` makes it final."""

    def __init__(
        self, table: str, key: str, before: str | None, after: str | None, allowed: Sequence[str] = ()
    ) -> None:
        self.table, self.key, self.before, self.after, self.allowed = table, key, before, after, tuple(allowed)
        what = f"cannot go from {before!r} to {after!r}" if before is not None else f"cannot begin as {after!r}"
        super().__init__(f"table {table}: document {cut(key)} {what}; allowed: {', '.join(allowed) or 'nothing'}")


class NoDocument(OnwardError):
    """A document that is to be moved is not there."""

    def __init__(self, table: str, key: str) -> None:
        self.table, self.key = table, key
        super().__init__(f"table {table} has no document {cut(key)}; put it first")


class NotIndexed(Refused):
    """Documents are to be found, or ordered, by a field that is not indexed."""

    def __init__(self, table: str, field: str, indexed: Sequence[str]) -> None:
        super().__init__(
            f"table {table} is not indexed by {field!r} (it is by {', '.join(indexed) or 'nothing'}); "
            f"add it to index= of the table"
        )


class BadDocument(OnwardError):
    """A stored document can no longer be read as its table's type."""

    def __init__(self, table: str, key: str, why: str) -> None:
        super().__init__(
            f"table {table}: document {cut(key)} does not fit the table's type: {why}; fields may be added only with "
            "a default: give it one, or put the documents anew under another table"
        )


class RecordDied(OnwardError):
    """A record was set aside as dead; no retry would help, or none is left."""

    def __init__(self, stage: str, position: str, key: str | None, reason: str) -> None:
        self.stage, self.position, self.key, self.reason = stage, position, key, reason
        super().__init__(f"{stage} gave up {position} with key {key!r}: {reason or 'no reason given'}")


class BadOutput(OnwardError):
    """A handler gave something that its stage cannot take."""


class SourceTooGreedy(OnwardError):
    """A source brought more between two Checkpoints than its share of the memory budget."""

    def __init__(self, source: str, size: int, most: int) -> None:
        super().__init__(
            f"source {source} yielded {size} bytes without a Checkpoint, the most is {most}; "
            "yield Checkpoint more often, raise --memory, or say at_least_once=True"
        )


class SourceStalled(OnwardError):
    """A source yielded nothing for longer than its `stall=`."""

    def __init__(self, source: str, seconds: float) -> None:
        super().__init__(
            f"source {source} yielded nothing for {seconds:g} s, as long as stall= allows; its lease is free for "
            "another worker, and what this call still yields is not kept"
        )


class TimedOut(OnwardError):
    """A call took longer than the stage's `timeout=`."""

    def __init__(self, stage: str, seconds: float) -> None:
        super().__init__(f"the call of {stage} took longer than timeout={seconds:g}s")


class CallFailed(OnwardError):
    """A call failed in a process of its own; `kind`, `message` and `trace` are what the exception was there.

    `final` says that no retry would help.
    """

    def __init__(self, kind: str, message: str, trace: str, *, final: bool) -> None:
        self.kind, self.message, self.trace, self.final = kind, message, trace, final
        super().__init__(message)


class ProcessDied(OnwardError):
    """A call ended the process that it was made in."""

    def __init__(self, stage: str, how: str) -> None:
        super().__init__(f"the call of {stage} ended its process: {how}")


class ObjectGone(OnwardError):
    """An object is not there any more, or its content is not the one that was found: list again."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key}: not the object that was found; list again")


class MessageRefused(OnwardError):
    """A broker does not take a message, and would not take it if it were sent again."""


class WorkerGone(OnwardError):
    """A worker was gone before the call that it made ended: it may be what the call did to it."""

    def __init__(self, stage: str) -> None:
        super().__init__(
            f"the worker that called {stage} for it was gone before the call ended; if it ends every worker, drop it, "
            "or say isolate=True, so that it ends its own process only"
        )


class Unavailable(OnwardError):
    """Raise it in a handler to say that the outside is away, not that the record is bad.

    The stage trips: nothing parks, no attempt counts, and one record at a time probes until it succeeds.
    """
