"""One file -> state, event log and delivery row, in the caller's transaction."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count, repeat

import apsw

from .deliveries import delivered, last_ids, record
from .model import EVENTS, Delivery, Entity, File
from .parse import Batch, parse
from .schema import ensure
from .statements import Statements, statement

Progress = Callable[[int, int | None], object]

REPORT_EVERY = 10_000
ABSENT_UPDATED = "update of an absent row"
ABSENT_REMOVED = "removal of an absent row"
OUT_OF_ORDER = "file out of order"


def merge(
    file: File,
    entity: Entity,
    tx: apsw.Connection,
    *,
    process: str = "orders",
    progress: Progress | None = None,
    host: str = "",
    version: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    timer: Callable[[], float] = time.perf_counter,
) -> Delivery:
    """Bring the entity's tables to what the file says, and log what that changed.

    All happens inside the transaction that is open on `tx`; nothing is committed. After an exception the
    caller rolls back, and nothing of the file is there. A file whose key was last delivered with the same
    identity does nothing, and the delivery of that time comes back marked `repeated`; a load whose rows are
    all as they were writes only its delivery row. Delivery and event ids increase within a process, which
    alone writes its entities.

    Args:
        progress: called about every 10,000 rows with rows done and an estimate of all rows, at the end with
            the true number twice.

    Raises:
        BadRow, FileChanged: see `parse`. SchemaDiffers: see `ensure`.
    """
    started = timer()
    ensure(tx, entity)
    if found := delivered(tx, process, file):
        return found
    delivery_id, base = last_ids(tx, process)
    work = _Merge(file, entity, tx, delivery_id + 1, base, progress)
    work.run()
    delivery = Delivery(
        delivery_id=work.delivery_id,
        entity=entity.name,
        source_key=file.key,
        events=work.events,
        rows_read=work.rows_read,
        unchanged=work.unchanged,
        ignored=work.ignored,
        warnings=work.warnings,
        max_event_id=base + sum(work.events.values()),
        seconds=timer() - started,
    )
    record(tx, process, file, delivery, host=host, version=version, at=now())
    return delivery


class _Merge:
    def __init__(
        self,
        file: File,
        entity: Entity,
        tx: apsw.Connection,
        delivery_id: int,
        base: int,
        progress: Progress | None,
    ) -> None:
        self._file, self._entity, self._tx = file, entity, tx
        self._statements = Statements(entity)
        self._progress = progress
        self._base = base
        self.delivery_id = delivery_id
        self.rows_read = self.unchanged = 0
        self.events = dict.fromkeys(EVENTS, 0)
        self.ignored: dict[str, int] = {}
        self.warnings: dict[str, int] = {OUT_OF_ORDER: 1} if file.out_of_order else {}

    def run(self) -> None:
        first = self._file.kind == "LOAD" and bool(self._tx.execute(self._statements.log_is_empty()).get)
        if not (first and self._all_new()):
            self._compare()

    def _all_new(self) -> bool:
        """The first load of a table goes straight into the log. False, nothing done: a key comes twice."""
        do, tx = self._statements, self._tx
        tx.execute("SAVEPOINT first_load")
        try:
            tx.execute(do.drop_key())
            event_ids = count(self._base + 1)
            for batch in self._batches():
                rows = zip(*batch.columns, batch.hashes, event_ids, repeat(self.delivery_id))
                tx.executemany(do.first_log(), rows)
            tx.execute(do.first_state())
            tx.execute(do.create_key())
        except apsw.ConstraintError:
            tx.execute("ROLLBACK TO first_load; RELEASE first_load")
            return False
        tx.execute("RELEASE first_load")
        self.events["CREATE"] = self.rows_read
        return True

    def _compare(self) -> None:
        do, tx = self._statements, self._tx
        self._stage()
        tx.execute(statement("step_create"))
        repeated = not self._single()
        tx.execute(do.step_repeated() if repeated else do.step_single())
        self._count()
        ids = {"base": self._base, "delivery_id": self.delivery_id}
        if any(self.events.values()):
            tx.execute(do.log_after_state(), ids)
            if repeated:
                tx.execute(statement("step_index"))
                tx.execute(do.log_after_step(), ids)
            tx.execute(do.delete_removed())
            tx.execute(do.write_state(), ids)
        if self._entity.remove_absent and self._file.whole:
            self._remove_absent(ids)
        self._drop()

    def _stage(self) -> None:
        do, tx = self._statements, self._tx
        self._drop()
        tx.execute(do.create_staged())
        load = repeat("L") if self._file.kind == "LOAD" else None
        for batch in self._batches():
            ops = load or batch.ops or repeat("I")
            tx.executemany(do.stage(), zip(ops, *batch.columns, batch.hashes, strict=False))

    def _single(self) -> bool:
        try:
            self._tx.execute(self._statements.create_staged_key())
        except apsw.ConstraintError:
            return False
        return True

    def _count(self) -> None:
        ignored = updated = 0
        for event, op, rows in self._tx.execute(statement("step_count")):
            if event == "IGNORED":
                ignored += rows
                continue
            self.events[event] += rows
            if op == "U" and event in ("CREATE", "RECREATE"):
                updated += rows
        self.unchanged = self.rows_read - sum(self.events.values()) - ignored
        if ignored:
            self.ignored[ABSENT_REMOVED] = self.warnings[ABSENT_REMOVED] = ignored
        if updated:
            self.warnings[ABSENT_UPDATED] = updated

    def _remove_absent(self, ids: dict[str, int]) -> None:
        following = ids | {"base": self._base + sum(self.events.values())}
        before = self._tx.total_changes()
        self._tx.execute(self._statements.log_absent(), following)
        self.events["REMOVE"] += self._tx.total_changes() - before
        self._tx.execute(self._statements.delete_absent())

    def _drop(self) -> None:
        self._tx.execute("DROP TABLE IF EXISTS temp.staged; DROP TABLE IF EXISTS temp.step")

    def _batches(self) -> Iterator[Batch]:
        self.rows_read = reported = 0
        for batch in parse(self._file, self._entity):
            yield batch
            self.rows_read += len(batch.hashes)
            if self._progress and self.rows_read - reported >= REPORT_EVERY:
                reported = self.rows_read
                self._progress(reported, max(reported, round(reported * self._file.size / batch.position)))
        if self._progress:
            self._progress(self.rows_read, self.rows_read)
