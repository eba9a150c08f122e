"""The SQL of a merge: static statements from `sql/`, the others made of an entity's columns.

Names of temporary tables: `staged` holds the rows of the file in its order (`seq`); `step` what each of
them does: the event it makes, the row of the same key before it in the file (`before`) and whether it is the
last of its key (`final`). Event `n` of a delivery gets the id `:base + n`.
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from .model import Column, Entity

_STORED = {"integer": "INTEGER", "boolean": "INTEGER", "float": "REAL"}


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text("utf-8")


def quoted(name: str) -> str:
    return f'"{name}"'


class Statements:
    """Every statement for one entity."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.state, self.log = quoted(entity.name), quoted(entity.log)
        self.columns = [quoted(name) for name in entity.names]
        self.key = [quoted(name) for name in entity.key]
        self.curr = [quoted(f"curr_{name}") for name in entity.names]
        self.prev = [quoted(f"prev_{name}") for name in entity.names]
        self.all_changed = "'" + "1" * len(self.columns) + "'"

    # tables

    def create_state(self) -> str:
        columns = ", ".join(self._declared(column, quoted(column.name)) for column in self.entity.fields)
        return (
            f"CREATE TABLE {self.state} ({columns}, hash TEXT NOT NULL, event_id INTEGER PRIMARY KEY,"
            " delivery_id INTEGER NOT NULL) STRICT"
        )

    def create_log(self) -> str:
        curr = ", ".join(f"{name} {stored_type(c)}" for name, c in zip(self.curr, self.entity.fields, strict=True))
        prev = ", ".join(f"{name} {stored_type(c)}" for name, c in zip(self.prev, self.entity.fields, strict=True))
        return (
            f"CREATE TABLE {self.log} (event_type TEXT NOT NULL, {curr}, curr_hash TEXT,"
            f" event_id INTEGER PRIMARY KEY, delivery_id INTEGER NOT NULL, {prev}, prev_hash TEXT,"
            " prev_event_id INTEGER, prev_delivery_id INTEGER, mask TEXT NOT NULL) STRICT"
        )

    def create_key(self) -> str:
        return f"CREATE UNIQUE INDEX {self._index('key')} ON {self.state} ({_list(self.key)})"

    def drop_key(self) -> str:
        return f"DROP INDEX {self._index('key')}"

    def create_removed(self) -> str:
        """Small, and finds whether an absent key was there before."""
        key = _list(self._key_of("curr_"))
        return f"CREATE INDEX {self._index('removed')} ON {self.log} ({key}) WHERE event_type = 'REMOVE'"

    def log_is_empty(self) -> str:
        return f"SELECT NOT EXISTS (SELECT 1 FROM {self.log})"

    def count_state(self) -> str:
        return f"SELECT count(*) FROM {self.state}"

    # the first load of a table

    def first_log(self) -> str:
        """Rows: the columns, hash, event id, delivery id."""
        names = ["event_type", *self.curr, "curr_hash", "event_id", "delivery_id", "mask"]
        places = ", ?" * (len(self.columns) + 3)
        return f"INSERT INTO {self.log} ({_list(names)}) VALUES ('CREATE'{places}, {self.all_changed})"

    def first_state(self) -> str:
        return (
            f"INSERT INTO {self.state} ({_list(self._state_columns())})"
            f" SELECT {_list(self.curr)}, curr_hash, event_id, delivery_id FROM {self.log} ORDER BY event_id"
        )

    # any other file

    def drop_staging(self) -> str:
        return (
            f"DROP TABLE IF EXISTS {self._staging()}; DROP TABLE IF EXISTS temp.staged; DROP TABLE IF EXISTS temp.step"
        )

    def create_staging(self) -> str:
        """Several entities of one file are staged side by side, then settled one after another as `staged`."""
        columns = ", ".join(f"{quoted(c.name)} {stored_type(c)}" for c in self.entity.fields)
        return f"CREATE TABLE {self._staging()} (seq INTEGER PRIMARY KEY, op TEXT, {columns}, hash TEXT) STRICT"

    def stage(self) -> str:
        """Rows: op (L for a row of a load), the columns, hash."""
        places = ", ".join("?" * (len(self.columns) + 2))
        return f"INSERT INTO {self._staging()} (op, {_list(self.columns)}, hash) VALUES ({places})"

    def take_staged(self) -> str:
        return f"ALTER TABLE {self._staging()} RENAME TO staged"

    def create_staged_key(self) -> str:
        """Fails where a key comes more than once in the file."""
        return f"CREATE UNIQUE INDEX temp.staged_key ON staged ({_list(self.key)})"

    def step_single(self) -> str:
        """Steps of a file in which no key comes twice."""
        return (
            "INSERT INTO temp.step (seq, event_type, before, final) SELECT seq, event_type, NULL, 1 FROM ("
            + self._judged("temp.staged", "s.event_id IS NOT NULL", "s.hash", "FALSE")
            + ") WHERE event_type IS NOT NULL ORDER BY event_type = 'IGNORED', seq"
        )

    def step_repeated(self) -> str:
        """Steps of a file in which a row may follow another of its key: it is compared with that one."""
        key = _list(self.key)
        rows = (
            f"(SELECT seq, op, hash, {key},"
            " lag(op) OVER past AS before_op, lag(hash) OVER past AS before_hash,"
            " max(op <> 'D') OVER (past ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS lived"
            f" FROM temp.staged WINDOW past AS (PARTITION BY {key} ORDER BY seq))"
        )
        present = "CASE WHEN r.before_op IS NULL THEN s.event_id IS NOT NULL ELSE r.before_op <> 'D' END"
        before = "CASE WHEN r.before_op IS NULL THEN s.hash ELSE r.before_hash END"
        return (
            "INSERT INTO temp.step (seq, event_type, before, final)"
            " SELECT seq, event_type, lag(seq) OVER same, lead(seq) OVER same IS NULL FROM ("
            + self._judged(rows, present, before, "s.event_id IS NOT NULL OR r.lived")
            + f") WHERE event_type IS NOT NULL WINDOW same AS (PARTITION BY {key}, event_type = 'IGNORED'"
            " ORDER BY seq) ORDER BY event_type = 'IGNORED', seq"
        )

    def log_after_state(self) -> str:
        """Events of the rows that are the first of their key in the file."""
        source = f"LEFT JOIN {self.state} p ON {self._same_key('p', 'c')} WHERE t.before IS NULL"
        return self._log_events(source)

    def log_after_step(self) -> str:
        """Events of the rows that follow another of their key in the file."""
        before = (
            "SELECT g.*, :base + b.n AS event_id, :delivery_id AS delivery_id FROM temp.step b"
            " JOIN temp.staged g ON g.seq = b.seq WHERE b.event_type <> 'REMOVE'"
        )
        return self._log_events(f"LEFT JOIN ({before}) p ON p.seq = t.before WHERE t.before IS NOT NULL")

    def delete_removed(self) -> str:
        key = _list(f"c.{name}" for name in self.key)
        return (
            f"DELETE FROM {self.state} WHERE ({_list(self.key)}) IN (SELECT {key} FROM temp.step t"
            " JOIN temp.staged c ON c.seq = t.seq WHERE t.final AND t.event_type = 'REMOVE')"
        )

    def write_state(self) -> str:
        names = self._state_columns()
        updates = ", ".join(f"{name} = excluded.{name}" for name in names)
        columns = _list(f"c.{name}" for name in self.columns)
        return (
            f"INSERT INTO {self.state} ({_list(names)}) SELECT {columns}, c.hash, :base + t.n, :delivery_id"
            " FROM temp.step t JOIN temp.staged c ON c.seq = t.seq"
            " WHERE t.final AND t.event_type NOT IN ('REMOVE', 'IGNORED') ORDER BY t.n"
            f" ON CONFLICT ({_list(self.key)}) DO UPDATE SET {updates}"
        )

    # rows that a complete load no longer has

    def log_absent(self) -> str:
        curr = [name if name in self.key else "NULL" for name in self.columns]
        values = ["'REMOVE'", *curr, "NULL", ":base + row_number() OVER (ORDER BY event_id)", ":delivery_id"]
        values += [*self.columns, "hash", "event_id", "delivery_id", self.all_changed]
        return f"INSERT INTO {self.log} SELECT {_list(values)} FROM {self.state} s WHERE {self._absent()}"

    def removed_sample(self) -> str:
        return (
            f"SELECT {_list(self._key_of('curr_'))} FROM {self.log}"
            " WHERE event_id > :base AND event_type = 'REMOVE' ORDER BY event_id LIMIT 5"
        )

    def delete_absent(self) -> str:
        return f"DELETE FROM {self.state} AS s WHERE {self._absent()}"

    # pieces

    def _judged(self, rows: str, present: str, before: str, lived: str) -> str:
        """The event that each row makes: NULL for none, IGNORED for a removal of what is not there."""
        removed = " AND ".join(f"l.{curr} = r.{key}" for curr, key in zip(self._key_of("curr_"), self.key, strict=True))
        lived = f"{lived} OR EXISTS (SELECT 1 FROM {self.log} l WHERE l.event_type = 'REMOVE' AND {removed})"
        return (
            f"SELECT r.seq, {_list(f'r.{name}' for name in self.key)}, CASE"
            f" WHEN r.op = 'D' THEN iif({present}, 'REMOVE', 'IGNORED')"
            f" WHEN NOT ({present}) THEN iif({lived}, 'RECREATE', 'CREATE')"
            f" WHEN r.hash <> {before} THEN 'AMEND'"
            " WHEN r.op <> 'L' THEN 'POINTLESS_AMEND' END AS event_type"
            f" FROM {rows} r LEFT JOIN {self.state} s ON {self._same_key('s', 'r')}"
        )

    def _log_events(self, source: str) -> str:
        kept = "CASE WHEN t.event_type <> 'REMOVE' THEN c.{} END"
        curr = [f"c.{name}" if name in self.key else kept.format(name) for name in self.columns]
        differs = " || ".join(f"(c.{name} IS NOT p.{name})" for name in self.columns)
        mask = (
            f"CASE t.event_type WHEN 'AMEND' THEN {differs}"
            f" WHEN 'POINTLESS_AMEND' THEN {self.all_changed.replace('1', '0')} ELSE {self.all_changed} END"
        )
        values = ["t.event_type", *curr, kept.format("hash"), ":base + t.n", ":delivery_id"]
        values += [f"p.{name}" for name in self._state_columns()] + [mask]
        return (
            f"INSERT INTO {self.log} SELECT {_list(values)} FROM temp.step t"
            f" JOIN temp.staged c ON c.seq = t.seq {source} AND t.event_type <> 'IGNORED' ORDER BY t.n"
        )

    def _absent(self) -> str:
        return f"s.delivery_id < :since AND NOT EXISTS (SELECT 1 FROM temp.staged c WHERE {self._same_key('c', 's')})"

    def _staging(self) -> str:
        return f"temp.{quoted(f'staged {self.entity.name}')}"

    def _same_key(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in self.key)

    def _key_of(self, prefix: str) -> list[str]:
        return [quoted(prefix + name) for name in self.entity.key]

    def _state_columns(self) -> list[str]:
        return [*self.columns, "hash", "event_id", "delivery_id"]

    def _index(self, what: str) -> str:
        return quoted(f"{self.entity.name}_{what}")

    def _declared(self, column: Column, name: str) -> str:
        return f"{name} {stored_type(column)}" + (" NOT NULL" if column.name in self.entity.key else "")


def stored_type(column: Column) -> str:
    return _STORED.get(column.type, "TEXT")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
