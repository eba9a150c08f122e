"""The rows of a delivery for one entity -> its state and event log, in the caller's transaction."""

from collections.abc import Iterable

from .model import EVENTS, Entity
from .parse import Piece
from .stopwatch import Stopwatch
from .tables import Tables

ABSENT_UPDATED = "update of an absent row"
ABSENT_REMOVED = "removal of an absent row"


class Reconcile:
    """One entity in one delivery: `stage` its rows, then `settle` them; or `first_load`.

    `is_new`: its tables were made just now. `events` counts what was logged, `removed` the rows that left the state
    and `before` those it had, where more than one left. Event ids follow `base`. `writing` is told how long log and
    state take. `large`: very many rows are to come.

    Raises:
        SchemaDiffers: see `Tables.ensure`.
    """

    def __init__(
        self,
        entity: Entity,
        tables: Tables,
        delivery_id: int,
        writing: Stopwatch | None = None,
        *,
        large: bool = False,
    ) -> None:
        self.entity = entity
        self.events = dict.fromkeys(EVENTS, 0)
        self.ignored: dict[str, int] = {}
        self.warnings: dict[str, int] = {}
        self.rows = self.unchanged = self.removed = self.before = 0
        self.is_new = tables.ensure(entity)
        self._tables, self._do = tables, tables.statements(entity, large=large)
        self._delivery_id = delivery_id
        self._staging, self._only_loads = False, True
        self._writing = writing or Stopwatch()

    def first_load(self, pieces: Iterable[Piece], base: int) -> bool:
        """The first load of a table needs no comparison, and its keys are made at the end. False, nothing done: a key
        comes twice.
        """
        do, tables = self._do, self._tables
        try:
            with tables.savepoint():
                for each in do.drop_keys():
                    tables.do(each)
                rows = tables.first_load(do, pieces, base, self._delivery_id)
                for each in do.create_keys():
                    tables.do(each)
        except tables.not_unique:
            return False
        self.rows = self.events["CREATE"] = rows
        return True

    def stage(self, pieces: Iterable[Piece], *, load: bool) -> None:
        """Sets rows aside, in their order. `load`: they are of a load, not changes."""
        self._begin()
        self._only_loads = self._only_loads and load
        self._tables.stage(self._do, self._counted(pieces), load=load)

    def settle(self, base: int, *, all_since: int | None = None) -> None:
        """Logs what the rows change, and brings the state to it.

        Args:
            all_since: the rows are all there are: what is not among them and was not touched since this delivery
                is removed.
        """
        do, tables = self._do, self._tables
        self._begin()
        repeated = self._judge()
        if self.events["REMOVE"] > 1 or all_since is not None:
            self.before = tables.rows(do.count_state())[0][0]
        with self._writing:
            if any(self.events.values()):
                tables.do(do.log_after_state(base, self._delivery_id))
                if repeated:
                    tables.do(do.log_after_step(base, self._delivery_id))
                self.removed = tables.do(do.delete_removed())
                tables.do(do.write_state(base))
            if all_since is not None:
                self._remove_absent(base, all_since)
        self._end()

    def settle_absent(self, base: int, since: int) -> None:
        """Only removes: the rows say which keys there are, and were merged before."""
        self._begin()
        self.before = self._tables.rows(self._do.count_state())[0][0]
        self.unchanged = self.rows
        with self._writing:
            self._remove_absent(base, since)
        self._end()

    def sample(self, base: int) -> list[tuple]:
        """The keys of some rows that were removed."""
        return self._tables.rows(self._do.removed_sample(base))

    def _begin(self) -> None:
        if not self._staging:
            self._tables.do(self._do.drop_staging())
            self._tables.do(self._do.create_staging())
            self._staging = True

    def _counted(self, pieces: Iterable[Piece]) -> Iterable[Piece]:
        for piece in pieces:
            self.rows += piece.count
            yield piece

    def _judge(self) -> bool:
        """Finds what each row does, and counts it. True: a key comes more than once."""
        do, tables = self._do, self._tables
        if self._only_loads and not self.is_new and not tables.rows(do.count_news())[0][0]:
            self.unchanged = self.rows
            return False
        tables.do(do.drop_step())
        tables.do(do.create_step())
        repeated = tables.repeats(do)
        tables.do(do.step_repeated() if repeated else do.step_single())
        self._count()
        return repeated

    def _count(self) -> None:
        ignored = updated = 0
        for event, op, rows in self._tables.rows(self._do.count_steps()):
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
        after = base + sum(self.events.values())
        absent = self._tables.do(self._do.log_absent(after, self._delivery_id, since))
        self.events["REMOVE"] += absent
        self.removed += absent
        self._tables.do(self._do.delete_absent(since))

    def _end(self) -> None:
        self._tables.do(self._do.drop_staging())
        self._tables.do(self._do.drop_step())
        self._staging = False
