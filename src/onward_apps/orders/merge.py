"""One file -> state, event log and delivery row, in the caller's transaction."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from .deliveries import delivered, delivery_of, last_delivery, last_ids, record
from .errors import MassRemoval
from .model import Delivery, Entity, File
from .parse import Piece, parse, pieces
from .read import Open, from_disk
from .reconcile import Reconcile
from .stopwatch import Stopwatch
from .tables import Tables
from .transactions import parse_transactions

Progress = Callable[[int, int | None], object]
Say = Callable[[int, str], object]

REPORT_EVERY = 10_000
LARGE = 1_000_000
"""Bytes of a file from which on it is worth a database's while to make ready for many rows."""
OUT_OF_ORDER = "file out of order"
UNDECLARED = "table not declared"


def merge(
    file: File,
    entities: Entity | Sequence[Entity],
    tables: Tables,
    *,
    process: str = "orders",
    open_: Open = from_disk,
    progress: Progress | None = None,
    say: Say = lambda delivery_id, text: None,
    approved: bool = False,
    host: str = "",
    version: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    timer: Callable[[], float] = time.perf_counter,
) -> Delivery:
    """Bring the entities' tables to what the file says, and log what that changed.

    All happens inside the transaction that is open behind `tables`; nothing is committed. After an exception the
    caller rolls back, and nothing of the file is there. A file whose key was last delivered with the same
    identity does nothing, and the delivery of that time comes back marked `repeated`; a load whose rows are
    all as they were writes only its delivery row. Delivery and event ids increase within a process, which
    alone writes its entities.

    Args:
        entities: that of the file, or all that a transaction file may be about.
        open_: reads the file's bytes.
        progress: called about every 10,000 rows with rows done and an estimate of all rows, at the end with
            the true number twice.
        say: called with the delivery id and the text of a log line.
        approved: a person has seen how much it removes.

    Raises:
        BadRow, FileChanged: see `parse`. SchemaDiffers: see `Tables.ensure`.
        MassRemoval: it would remove more than an entity's `most_removed`, and nobody has approved.
    """
    started = timer()
    listed = [entities] if isinstance(entities, Entity) else list(entities)
    tables.ensure_ours(process)
    if found := delivered(tables, process, file):
        return found
    delivery_id, base = last_ids(tables, process, listed)
    work = _Work(file, listed, tables, process, delivery_id + 1, base, open_, progress, say, timer)
    say(work.delivery_id, f"process_{_schema(file)} {shown(file)}.")
    work.run()
    if not approved:
        work.guard()
    delivery = work.delivery(timer() - started)
    record(tables, process, file, delivery, host=host, version=version, at=now())
    return delivery


def shown(file: File) -> str:
    """Where it lies, as log lines have it: the bucket is left out."""
    scheme, separator, rest = file.path.partition("://")
    return rest.partition("/")[2] if separator else scheme


def _schema(file: File) -> str:
    return "transactions" if file.kind == "TXN" else file.key.partition("/")[0]


class _Work:
    """One delivery."""

    def __init__(
        self,
        file: File,
        entities: Sequence[Entity],
        tables: Tables,
        process: str,
        delivery_id: int,
        base: int,
        open_: Open,
        progress: Progress | None,
        say: Say,
        timer: Callable[[], float],
    ) -> None:
        self._file, self._entities, self._tables, self._process = file, entities, tables, process
        self._base, self._open, self._progress, self._say = base, open_, progress, say
        self.delivery_id = delivery_id
        self._done: dict[Entity, Reconcile] = {}
        self._bases: dict[Entity, int] = {}
        self._undeclared = self._rows = 0
        self._fetching, self._reading, self._writing = (Stopwatch(timer) for _ in range(3))

    def run(self) -> None:
        kind = self._file.kind
        if kind == "TXN":
            self._transactions()
        elif kind == "SNAPSHOT":
            self._snapshot()
        else:
            self._rows_of_one()
        for entity, work in self._done.items():
            counted = (work.events["CREATE"] + work.events["RECREATE"], work.events["AMEND"], work.events["REMOVE"])
            self._say(
                self.delivery_id, f"{entity.name} (create: {counted[0]}, amend: {counted[1]}, remove: {counted[2]})."
            )

    def guard(self) -> None:
        for entity, work in self._done.items():
            if work.removed > 1 and work.removed > entity.most_removed * work.before:
                sample = work.sample(self._bases[entity])
                raise MassRemoval(self._file.key, entity.name, work.removed, work.before, entity.most_removed, sample)

    def delivery(self, seconds: float) -> Delivery:
        warnings = {OUT_OF_ORDER: 1} if self._file.out_of_order else {}
        ignored: dict[str, int] = {}
        for work in self._done.values():
            _add(warnings, work.warnings)
            _add(ignored, work.ignored)
        if self._undeclared:
            ignored[UNDECLARED] = warnings[UNDECLARED] = self._undeclared
        return Delivery(
            delivery_id=self.delivery_id,
            entity=",".join(entity.name for entity in self._done),
            source_key=self._file.key,
            by_entity={entity.name: work.events for entity, work in self._done.items()},
            rows_read=self._rows,
            unchanged=sum(work.unchanged for work in self._done.values()),
            ignored=ignored,
            warnings=warnings,
            max_event_id=self._next_base(),
            seconds=seconds,
            phases=self._phases(seconds),
            modified=self._file.modified,
        )

    def _phases(self, seconds: float) -> dict[str, float]:
        """Rows are read while they are set aside, so what is neither reading nor writing is comparing."""
        fetch, read = self._fetching.seconds, self._reading.seconds
        persist = self._writing.seconds
        times = {"fetch": fetch, "parse": read - fetch, "diff": seconds - read - persist, "persist": persist}
        return {phase: max(0.0, time) for phase, time in times.items()}

    def _rows_of_one(self) -> None:
        work = self._work(self._entities[0])
        load = self._file.kind == "LOAD"
        if load and work.is_new:
            before = self._reading.seconds
            with self._writing:
                loaded = work.first_load(self._pieces(self._file), self._base)
            self._writing.seconds -= self._reading.seconds - before
            if loaded:
                return
        work.stage(self._pieces(self._file), load=load)
        whole = load and work.entity.remove_absent and self._file.whole
        work.settle(self._base, all_since=self.delivery_id if whole else None)

    def _transactions(self) -> None:
        for entity, batch in self._counted(parse_transactions(self._file, self._entities, open_=self._fetched)):
            if entity is None:
                self._undeclared += batch.count
            else:
                self._work(entity).stage([batch], load=False)
        for entity, work in self._done.items():
            self._bases[entity] = self._next_base()
            work.settle(self._bases[entity])

    def _snapshot(self) -> None:
        """Parts were merged before. What they do not have goes, unless it was touched since the first that was merged
        after the snapshot before; where all are as they were then, since that snapshot.
        """
        work = self._work(self._entities[0])
        found = [delivery_of(self._tables, self._process, part) for part in self._file.parts]
        root = self._file.path.removesuffix(self._file.key)
        for part in self._file.parts:
            lies = {"key": part.key, "identity": part.identity, "path": root + part.key, "kind": "LOAD"}
            work.stage(self._pieces(msgspec.structs.replace(self._file, **lies), on=True), load=True)
        before = last_delivery(self._tables, self._process, self._file.key)
        ours = [delivery_id for delivery_id in found if delivery_id and delivery_id > before]
        work.settle_absent(self._base, min(ours, default=before + 1))

    def _work(self, entity: Entity) -> Reconcile:
        if entity not in self._done:
            self._done[entity] = Reconcile(
                entity, self._tables, self.delivery_id, self._writing, large=self._file.size >= LARGE
            )
            self._bases[entity] = self._base
        return self._done[entity]

    def _next_base(self) -> int:
        return self._base + sum(sum(work.events.values()) for work in self._done.values())

    def _pieces(self, file: File, *, on: bool = False) -> Iterator[Piece]:
        """`on`: rows are counted on from what was read before."""
        self._rows = self._rows if on else 0
        read = pieces if self._tables.takes_text else parse
        for _, piece in self._counted((None, each) for each in read(file, self._entities[0], open_=self._fetched)):
            yield piece

    def _fetched(self, file: File) -> Iterator[bytes]:
        return self._fetching.timed(self._open(file))

    def _counted(self, batches: Iterable[tuple[Entity | None, Piece]]) -> Iterator[tuple[Entity | None, Piece]]:
        reported = said = self._rows
        for entity, batch in self._reading.timed(batches):
            if said == self._rows and not reported:
                self._say(self.delivery_id, f"processed {said}/{max(batch.expected, batch.count)}...")
            yield entity, batch
            self._rows += batch.count
            if self._rows - reported >= REPORT_EVERY:
                reported = self._rows
                all_ = max(reported, batch.expected)
                self._say(self.delivery_id, f"processed {reported}/{all_}...")
                if self._progress:
                    self._progress(reported, all_)
        if self._progress:
            self._progress(self._rows, self._rows)


def _add(sums: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        sums[name] = sums.get(name, 0) + number
