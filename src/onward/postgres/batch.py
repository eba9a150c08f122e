"""Statements that go to the server together: one way there and one back, however many they are.

The driver has a pipeline of its own. It sends each statement by itself, looks for answers in between and makes a cursor
for each, which takes twice the processor time of all that a commit is; so this goes by the layer below it. What the
server has prepared is noted when it has said so: after a refusal nothing is taken for prepared that is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import psycopg
from psycopg import generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from onward.postgres.connection import Connection

MOST = 200
"""So many statements stay prepared on a connection; the oldest make room."""


class Answer:
    """What a statement gives, when its batch has been sent."""

    __slots__ = ("_form", "_result")

    def __init__(self, form: Transformer) -> None:
        self._form = form
        self._result: PGresult | None = None

    def take(self, result: PGresult) -> None:
        self._result = result

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """In the types of `onward.postgres.types`."""
        if self._result is None or self._result.nfields == 0:
            return []
        self._form.set_pgresult(self._result)
        return self._form.load_rows(0, self._result.ntuples, tuple)

    @property
    def one(self) -> tuple[Any, ...]:
        """The only row."""
        (row,) = self.rows
        return row


class _Asked(NamedTuple):
    text: bytes
    values: Sequence[Any]
    formats: Sequence[Format] | None
    key: tuple[str, tuple[int, ...] | None]
    answer: Answer

    def send(self, link: PGconn, name: bytes) -> None:
        link.send_query_prepared(name, self.values, param_formats=self.formats, result_format=Format.BINARY)


class Batch:
    """Statements for a connection, in order. In its transaction, if one is open; else all of them are one, which the
    server commits at their end unless one of them begins it and none ends it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._form = connection.form
        self._asked: list[_Asked] = []
        if not connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
            self.ask("BEGIN")

    def ask(self, statement: str, /, **parameters: Any) -> Answer:
        """Puts a statement at the end."""
        text, names = _told(statement)
        values = self._form.dump_sequence([parameters[name] for name in names], [PyFormat.AUTO] * len(names))
        answer = Answer(self._form)
        self._asked.append(_Asked(text, values, self._form.formats, (statement, self._form.types), answer))
        return answer

    def send(self) -> None:
        """Sends all of them and waits for their answers; then the batch is empty again.

        Raises:
            psycopg.Error: what the first that was refused was refused for. Those after it were not done.
        """
        link = self._connection.pgconn
        link.enter_pipeline_mode()
        try:
            error = self._connection.wait(self._sent())
            link.exit_pipeline_mode()
        except BaseException:
            self._connection.close()  # there are answers on it that nobody has taken
            raise
        finally:
            self._asked = []
        if error is not None:
            raise error

    def _sent(self) -> Generator[Any, Any, psycopg.Error | None]:
        link = self._connection.pgconn
        takers = self._put(link)
        yield from generators.send(link)
        error: psycopg.Error | None = None
        for take in takers:
            try:
                results = yield from generators.fetch_many(link)
            except psycopg.Error as lost:
                if error is None:
                    raise
                raise error from lost  # what the server said before it went
            for result in results:
                if result.status == ExecStatus.FATAL_ERROR:
                    error = error or error_from_result(result)
                elif result.status != ExecStatus.PIPELINE_ABORTED:
                    take(result)
        return error

    def _put(self, link: PGconn) -> list[Callable[[PGresult], object]]:
        """Hands all to the driver, to be sent; returns what takes the answer to each thing that it sends."""
        prepared = self._connection.prepared
        takers: list[Callable[[PGresult], object]] = []
        new: dict[Any, bytes] = {}
        for asked in self._asked:
            name = prepared.get(asked.key) or new.get(asked.key)
            if name is None:
                name = new[asked.key] = self._connection.new_name()
                link.send_prepare(name, asked.text, param_types=asked.key[1])
                takers.append(partial(_note, prepared, asked.key, name))
            asked.send(link, name)
            takers.append(asked.answer.take)
        for key in list(prepared)[: max(0, len(prepared) + len(new) - MOST)]:
            link.send_query_params(b"DEALLOCATE " + prepared.pop(key), None)
            takers.append(_pass)
        link.pipeline_sync()
        takers.append(_pass)
        return takers


def _note(prepared: dict[Any, bytes], key: Any, name: bytes, result: PGresult) -> None:
    prepared[key] = name


def _pass(result: PGresult) -> None:
    pass


_BOUND = re.compile(r"%(?:%|\((\w+)\)s)")


@lru_cache(1000)
def _told(statement: str) -> tuple[bytes, list[str]]:
    """A statement as the server takes it, and the names of what is bound in it, in order."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _BOUND.sub(number, statement).encode(), names
