"""The SQL of a merge, made of an entity's columns; what databases say each in its own way is left to `targets`.

Tables that are gone when it is done: the staging table holds the rows of the file in its order (`seq`); `step` what
each of them does: the event it makes, the row of the same key before it in the file (`before`) and whether it is the
last of its key (`final`). Event `n` of a delivery gets the id `base + n`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files

from .model import Column, Entity


@cache
def statement(database: str, name: str) -> str:
    """The text of `sql/<database>/<name>.sql`."""
    return (files(__package__) / "sql" / database / f"{name}.sql").read_text("utf-8")


def quoted(name: str) -> str:
    return f'"{name}"'


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)


class Statements(ABC):
    """Every statement for one entity."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.state, self.log = self.table(entity.name), self.table(entity.log)
        self.staged, self.step = self.staging(f"staged {entity.name}"), self.temporary("step")
        self.numbered = self.with_seq(self.staged)
        self.columns = [quoted(name) for name in entity.names]
        self.key = [quoted(name) for name in entity.key]
        self.curr = [quoted(f"curr_{name}") for name in entity.names]
        self.prev = [quoted(f"prev_{name}") for name in entity.names]
        self.all_changed = "'" + "1" * len(self.columns) + "'"

    # what each database says in its own way

    @abstractmethod
    def table(self, name: str) -> str:
        """A lasting table, as statements name it."""

    @abstractmethod
    def temporary(self, name: str) -> str: ...

    def staging(self, name: str) -> str:
        return self.temporary(name)

    def with_seq(self, staged: str) -> str:
        """The staged rows with `seq`, which grows in their order."""
        return staged

    @abstractmethod
    def create(self) -> list[str]:
        """State and log, without keys."""

    @abstractmethod
    def create_keys(self) -> list[str]: ...

    @abstractmethod
    def drop_keys(self) -> list[str]: ...

    @abstractmethod
    def create_staging(self) -> str: ...

    @abstractmethod
    def create_step(self) -> str: ...

    @abstractmethod
    def hash_of(self, row: str) -> str:
        """The hash of a staged row."""

    @abstractmethod
    def changed(self, row: str, before: str) -> str:
        """Whether a staged row has another value than one that was there before it; both are there."""

    def differs(self, name: str, one: str, other: str) -> str:
        """Whether two rows differ in a column, null being a value."""
        return f"{one}.{name} IS DISTINCT FROM {other}.{name}"

    # tables

    def drop_staging(self) -> str:
        return f"DROP TABLE IF EXISTS {self.staged}"

    def drop_step(self) -> str:
        return f"DROP TABLE IF EXISTS {self.step}"

    def count_state(self) -> str:
        return f"SELECT count(*) FROM {self.state}"

    def last_event(self) -> str:
        return f"SELECT max(event_id) FROM {self.log}"

    def last_delivery(self) -> str:
        return f"SELECT max(delivery_id) FROM {self.log}"

    def create_removed(self) -> str:
        """Small, and finds whether an absent key was there before."""
        key = listed(self.key_of("curr_"))
        return f"CREATE INDEX {self.index('removed')} ON {self.log} ({key}) WHERE event_type = 'REMOVE'"

    def first_state(self) -> str:
        """After a first load: the log has nothing else."""
        return (
            f"INSERT INTO {self.state} ({listed(self.state_columns())})"
            f" SELECT {listed(self.curr)}, curr_hash, event_id, delivery_id FROM {self.log}"
        )

    # what the rows of a file do

    def count_news(self) -> str:
        """Rows that are not in the state as they are."""
        return (
            f"SELECT count(*) FROM {self.staged} r LEFT JOIN {self.state} s ON {self.same_key('s', 'r')}"
            f" WHERE s.event_id IS NULL OR {self.changed('r', 's')}"
        )

    def step_single(self) -> str:
        """Steps of a file in which no key comes twice."""
        return (
            f"INSERT INTO {self.step} (seq, event_type, before, final) SELECT seq, event_type, NULL, TRUE FROM ("
            + self._judged(f"{self.numbered} r", "s.event_id IS NOT NULL", self.changed("r", "s"), "FALSE")
            + ") judged WHERE event_type IS NOT NULL ORDER BY event_type = 'IGNORED', seq"
        )

    def step_repeated(self) -> str:
        """Steps of a file in which a row may follow another of its key: it is compared with that one."""
        key = listed(self.key)
        rows = (
            "(SELECT *, lag(op) OVER past AS before_op, lag(seq) OVER past AS before_seq,"
            " max(CASE WHEN op <> 'D' THEN 1 ELSE 0 END)"
            " OVER (past ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) = 1 AS lived"
            f" FROM {self.numbered} n WINDOW past AS (PARTITION BY {key} ORDER BY seq)) r"
            f" LEFT JOIN {self.numbered} b ON b.seq = r.before_seq"
        )
        present = "CASE WHEN r.before_op IS NULL THEN s.event_id IS NOT NULL ELSE r.before_op <> 'D' END"
        changed = f"CASE WHEN r.before_op IS NULL THEN {self.changed('r', 's')} ELSE {self.changed('r', 'b')} END"
        return (
            f"INSERT INTO {self.step} (seq, event_type, before, final)"
            " SELECT seq, event_type, lag(seq) OVER same, lead(seq) OVER same IS NULL FROM ("
            + self._judged(rows, present, changed, "s.event_id IS NOT NULL OR r.lived")
            + f") judged WHERE event_type IS NOT NULL WINDOW same AS (PARTITION BY {key}, event_type = 'IGNORED'"
            " ORDER BY seq) ORDER BY event_type = 'IGNORED', seq"
        )

    def count_steps(self) -> str:
        rows = f"{self.step} t JOIN {self.numbered} c USING (seq)"
        return f"SELECT event_type, op, count(*) FROM {rows} GROUP BY event_type, op"

    # what follows from it

    def log_after_state(self, base: int, delivery_id: int) -> str:
        """Events of the rows that are the first of their key in the file."""
        source = f"LEFT JOIN {self.state} p ON {self.same_key('p', 'c')} WHERE t.before IS NULL"
        return self._log_events(source, base, delivery_id)

    def log_after_step(self, base: int, delivery_id: int) -> str:
        """Events of the rows that follow another of their key in the file."""
        columns = listed(f"g.{name}" for name in self.columns)
        before = (
            f"SELECT g.seq, {columns}, {self.hash_of('g')} AS hash, {base} + b.n AS event_id,"
            f" {delivery_id} AS delivery_id"
            f" FROM {self.step} b JOIN {self.numbered} g ON g.seq = b.seq WHERE b.event_type <> 'REMOVE'"
        )
        source = f"LEFT JOIN ({before}) p ON p.seq = t.before WHERE t.before IS NOT NULL"
        return self._log_events(source, base, delivery_id)

    def delete_removed(self) -> str:
        key = listed(f"c.{name}" for name in self.key)
        return (
            f"DELETE FROM {self.state} WHERE ({listed(self.key)}) IN (SELECT {key} FROM {self.step} t"
            f" JOIN {self.numbered} c ON c.seq = t.seq WHERE t.final AND t.event_type = 'REMOVE')"
        )

    def write_state(self, base: int) -> str:
        """The last event of each key becomes its row."""
        names = self.state_columns()
        updates = listed(f"{name} = excluded.{name}" for name in names)
        columns = listed(f"l.{name}" for name in [*self.curr, "curr_hash", "event_id", "delivery_id"])
        return (
            f"INSERT INTO {self.state} ({listed(names)}) SELECT {columns}"
            f" FROM {self.step} t JOIN {self.log} l ON l.event_id = {base} + t.n"
            " WHERE t.final AND t.event_type NOT IN ('REMOVE', 'IGNORED') ORDER BY t.n"
            f" ON CONFLICT ({listed(self.key)}) DO UPDATE SET {updates}"
        )

    # rows that a complete load no longer has

    def log_absent(self, base: int, delivery_id: int, since: int) -> str:
        curr = [name if name in self.key else "NULL" for name in self.columns]
        values = ["'REMOVE'", *curr, "NULL", f"{base} + row_number() OVER (ORDER BY event_id)", str(delivery_id)]
        values += [*self.columns, "hash", "event_id", "delivery_id", self.all_changed]
        return f"{self._into_log()} SELECT {listed(values)} FROM {self.state} s WHERE {self._absent(since)}"

    def removed_sample(self, base: int) -> str:
        return (
            f"SELECT {listed(self.key_of('curr_'))} FROM {self.log}"
            f" WHERE event_id > {base} AND event_type = 'REMOVE' ORDER BY event_id LIMIT 5"
        )

    def delete_absent(self, since: int) -> str:
        return f"DELETE FROM {self.state} AS s WHERE {self._absent(since)}"

    # pieces

    def index(self, what: str) -> str:
        return quoted(f"{self.entity.name}_{what}")

    def same_key(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in self.key)

    def key_of(self, prefix: str) -> list[str]:
        return [quoted(prefix + name) for name in self.entity.key]

    def state_columns(self) -> list[str]:
        return [*self.columns, "hash", "event_id", "delivery_id"]

    def log_columns(self) -> list[str]:
        before = [*self.prev, "prev_hash", "prev_event_id", "prev_delivery_id"]
        return ["event_type", *self.curr, "curr_hash", "event_id", "delivery_id", *before, "mask"]

    def declared(self, stored_type: Callable[[Column], str]) -> str:
        """The business columns of a state table."""
        columns = self.entity.fields
        null = [" NOT NULL" if column.name in self.entity.key else "" for column in columns]
        return listed(f"{quoted(c.name)} {stored_type(c)}{n}" for c, n in zip(columns, null, strict=True))

    def _judged(self, rows: str, present: str, changed: str, lived: str) -> str:
        """The event that each row makes: NULL for none, IGNORED for a removal of what is not there."""
        removed = " AND ".join(f"l.{curr} = r.{key}" for curr, key in zip(self.key_of("curr_"), self.key, strict=True))
        lived = f"{lived} OR EXISTS (SELECT 1 FROM {self.log} l WHERE l.event_type = 'REMOVE' AND {removed})"
        return (
            f"SELECT r.seq, {listed(f'r.{name}' for name in self.key)}, CASE"
            f" WHEN r.op = 'D' THEN CASE WHEN {present} THEN 'REMOVE' ELSE 'IGNORED' END"
            f" WHEN NOT ({present}) THEN CASE WHEN {lived} THEN 'RECREATE' ELSE 'CREATE' END"
            f" WHEN {changed} THEN 'AMEND'"
            " WHEN r.op <> 'L' THEN 'POINTLESS_AMEND' END AS event_type"
            f" FROM {rows} LEFT JOIN {self.state} s ON {self.same_key('s', 'r')}"
        )

    def _log_events(self, source: str, base: int, delivery_id: int) -> str:
        kept = "CASE WHEN t.event_type <> 'REMOVE' THEN {} END"
        curr = [f"c.{name}" if name in self.key else kept.format(f"c.{name}") for name in self.columns]
        differs = " || ".join(
            f"CASE WHEN {self.differs(name, 'c', 'p')} THEN '1' ELSE '0' END" for name in self.columns
        )
        mask = (
            f"CASE t.event_type WHEN 'AMEND' THEN {differs}"
            f" WHEN 'POINTLESS_AMEND' THEN {self.all_changed.replace('1', '0')} ELSE {self.all_changed} END"
        )
        values = ["t.event_type", *curr, kept.format(self.hash_of("c")), f"{base} + t.n", str(delivery_id)]
        values += [f"p.{name}" for name in self.state_columns()] + [mask]
        return (
            f"{self._into_log()} SELECT {listed(values)} FROM {self.step} t"
            f" JOIN {self.numbered} c ON c.seq = t.seq {source} AND t.event_type <> 'IGNORED' ORDER BY t.n"
        )

    def _into_log(self) -> str:
        return f"INSERT INTO {self.log} ({listed(self.log_columns())})"

    def _absent(self, since: int) -> str:
        found = f"SELECT 1 FROM {self.staged} c WHERE {self.same_key('c', 's')}"
        return f"s.delivery_id < {since} AND NOT EXISTS ({found})"
