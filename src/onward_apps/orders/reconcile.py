"""The rows of a delivery for one entity -> its state and event log, in the caller's transaction."""

from collections.abc import Iterable
from itertools import count, repeat

import apsw

from .model import EVENTS, Entity
from .parse import Batch
from .statements import Statements, statement

ABSENT_UPDATED = "update of an absent row"
ABSENT_REMOVED = "removal of an absent row"


class Reconcile:
    """One entity in one delivery: `stage` its rows, then `settle` them; or `first_load`.

    `events` counts what was logged, `removed` the rows that left the state and `before` those it had, where
    any left. Event ids follow `base`.
    """

    def __init__(self, entity: Entity, tx: apsw.Connection, delivery_id: int) -> None:
        self.entity = entity
        self.events = dict.fromkeys(EVENTS, 0)
        self.ignored: dict[str, int] = {}
        self.warnings: dict[str, int] = {}
        self.rows = self.unchanged = self.removed = self.before = 0
        self._tx, self._do = tx, Statements(entity)
        self._delivery_id = delivery_id
        self._staging = False

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever logged."""
        return bool(self._tx.execute(self._do.log_is_empty()).get)

    def first_load(self, batches: Iterable[Batch], base: int) -> bool:
        """The first load of a table goes straight into the log. False, nothing done: a key comes twice."""
        do, tx = self._do, self._tx
        tx.execute("SAVEPOINT first_load")
        try:
            tx.execute(do.drop_key())
            event_ids = count(base + 1)
            for batch in batches:
                rows = zip(*batch.columns, batch.hashes, event_ids, repeat(self._delivery_id))
                tx.executemany(do.first_log(), rows)
                self.rows += len(batch.hashes)
            tx.execute(do.first_state())
            tx.execute(do.create_key())
        except apsw.ConstraintError:
            tx.execute("ROLLBACK TO first_load; RELEASE first_load")
            self.rows = 0
            return False
        tx.execute("RELEASE first_load")
        self.events["CREATE"] = self.rows
        return True

    def stage(self, batch: Batch, *, load: bool) -> None:
        """Sets rows aside, in their order. `load`: they are of a load, not changes."""
        self._begin()
        ops = repeat("L") if load else batch.ops or repeat("I")
        self._tx.executemany(self._do.stage(), zip(ops, *batch.columns, batch.hashes, strict=False))
        self.rows += len(batch.hashes)

    def settle(self, base: int, *, all_since: int | None = None) -> None:
        """Logs what the rows change, and brings the state to it.

        Args:
            all_since: the rows are all there are: what is not among them and was not touched since this delivery
                is removed.
        """
        do, tx = self._do, self._tx
        repeated = self._judge()
        ids = {"base": base, "delivery_id": self._delivery_id}
        if self.events["REMOVE"] or all_since is not None:
            self.before = tx.execute(do.count_state()).get
        if any(self.events.values()):
            tx.execute(do.log_after_state(), ids)
            if repeated:
                tx.execute(statement("step_index"))
                tx.execute(do.log_after_step(), ids)
            tx.execute(do.delete_removed())
            self.removed = tx.changes()
            tx.execute(do.write_state(), ids)
        if all_since is not None:
            self._remove_absent(base, all_since)
        self._end()

    def settle_absent(self, base: int, since: int) -> None:
        """Only removes: the rows say which keys there are, and were merged before."""
        self._begin()
        tx = self._tx
        tx.execute(self._do.take_staged())
        self.before = tx.execute(self._do.count_state()).get
        self.unchanged = self.rows
        self._remove_absent(base, since)
        self._end()

    def sample(self, base: int) -> list[tuple]:
        """The keys of some rows that were removed."""
        return self._tx.execute(self._do.removed_sample(), {"base": base}).fetchall()

    def _begin(self) -> None:
        if not self._staging:
            self._tx.execute(self._do.drop_staging())
            self._tx.execute(self._do.create_staging())
            self._staging = True

    def _judge(self) -> bool:
        """Finds what each row does, and counts it. True: a key comes more than once."""
        do, tx = self._do, self._tx
        self._begin()
        tx.execute(do.take_staged())
        tx.execute(statement("step_create"))
        try:
            tx.execute(do.create_staged_key())
        except apsw.ConstraintError:
            tx.execute(do.step_repeated())
            repeated = True
        else:
            tx.execute(do.step_single())
            repeated = False
        self._count()
        return repeated

    def _count(self) -> None:
        ignored = updated = 0
        for event, op, rows in self._tx.execute(statement("step_count")):
            if event == "IGNORED":
                ignored += rows
                continue
            self.events[event] += rows
            if op == "U" and event in ("CREATE", "RECREATE"):
                updated += rows
        self.unchanged = self.rows - sum(self.events.values()) - ignored
        if ignored:
            self.ignored[ABSENT_REMOVED] = self.warnings[ABSENT_REMOVED] = ignored
        if updated:
            self.warnings[ABSENT_UPDATED] = updated

    def _remove_absent(self, base: int, since: int) -> None:
        ids = {"base": base + sum(self.events.values()), "delivery_id": self._delivery_id, "since": since}
        self._tx.execute(self._do.log_absent(), ids)
        absent = self._tx.changes()
        self.events["REMOVE"] += absent
        self.removed += absent
        self._tx.execute(self._do.delete_absent(), {"since": since})

    def _end(self) -> None:
        self._tx.execute("DROP TABLE temp.staged; DROP TABLE IF EXISTS temp.step")
        self._staging = False
