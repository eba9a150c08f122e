"""Looking at a SQLite store: what `status`, `parked` and `audit` show, and the requests that they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import apsw

from onward.carry import Mark
from onward.clock import Clock, SystemClock
from onward.document import Document
from onward.errors import Refused, StoreNewer
from onward.log import (
    AppSpec,
    Attempt,
    Block,
    BlockRow,
    Forgetting,
    Lease,
    Parked,
    Replay,
    Request,
    Survey,
)
from onward.logs.rows import (
    attempt_from,
    document_from,
    parked_from,
    request_row,
    run_from,
    spec_from,
)
from onward.logs.sqlite_forget import forget_rest, forget_some
from onward.logs.sqlite_home import mark_of, refuse
from onward.logs.sqlite_repartition import repartition
from onward.logs.sqlite_rows import (
    SCHEMA,
    SQL,
    blocks_of,
    claim_of,
    end_of,
    first_of,
    left_of,
    ports_of,
    requests_of,
    seen_of,
)
from onward.logs.sqlite_survey import evidence_of, leases_of, paused_of, sources_of, survey_of
from onward.logs.sqlite_tables import SQLiteTables
from onward.logs.sqlite_trail import SQLiteTrail
from onward.sqlite.connection import File, away, path_of, rows
from onward.sqlite.hints import tell
from onward.sqlite.turn import Turn
from onward.survey import (
    Backlog,
    Evidence,
    StageStanding,
    Standing,
    TopicStanding,
)
from onward.task_run import TaskRun
from onward.units import instant_text

T = TypeVar("T")


class SQLiteBooks(SQLiteTrail):
    """A handle for looking at a store file; see `onward.log.Books` for what each method promises."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self.url = url
        self._clock = clock or SystemClock()
        self._file = File(path_of(url), create=False, url=url)
        try:
            found, _ = self._file.look(SQL.schema_version)
            if found > SCHEMA:
                raise StoreNewer(url, found, SCHEMA)
            if found < SCHEMA:
                raise Refused(f"{url} is older; `onward run` migrates it" if found else f"{url} is no Onward store")
            self._connection = self._file.connect()
            refuse(self._connection, url, reading=True)
            self._tables = SQLiteTables(self._file, url)
            self._one = ThreadPoolExecutor(1, thread_name_prefix="onward-books")
        except BaseException:
            self._file.close()
            raise

    async def survey(self, recent: float = 60.0) -> Survey:
        now = self._clock.now()
        return await self._look(lambda connection: survey_of(connection, now, recent))

    async def evidence(self) -> tuple[Survey, Sequence[Evidence], Sequence[BlockRow]]:
        now = self._clock.now()
        return await self._look(lambda connection: evidence_of(connection, now))

    async def backlogs(self, topics: Iterable[str]) -> tuple[Sequence[AppSpec], Sequence[Backlog]]:
        wanted, now = set(topics), self._clock.now()

        def work(connection: apsw.Connection) -> tuple[list[AppSpec], list[Backlog]]:
            held = leases_of(connection, now)
            found: dict[str, Backlog] = {}
            for stage, partition, topic, _ in rows(connection, SQL.begin_all):
                if topic not in wanted:
                    continue
                before = found.get(stage, Backlog(stage, topic, 0, 0, ()))
                records, size = left_of(connection, stage, topic, partition)
                holder = held.get((stage, partition))
                found[stage] = before._replace(
                    records=before.records + records,
                    bytes=before.bytes + size,
                    holders=(*before.holders, *([holder] if holder is not None else ())),
                )
            apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
            return apps, sorted(found.values(), key=lambda backlog: backlog.stage)

        return await self._look(work)

    async def standing(self) -> Standing:
        def work(connection: apsw.Connection) -> Standing:
            stages = {}
            for stage, partition, topic, begins in rows(connection, SQL.begin_all):
                held = rows(connection, SQL.lease_get, stage=stage, partition=partition)
                worker, token = held[0][:2] if held else ("", 0)
                claim = claim_of(connection, Lease(stage, partition, worker, token))
                stages[stage, partition] = StageStanding(topic, begins, claim)
            topics = {
                name: TopicStanding(
                    rows(connection, SQL.topic_get, name=name)[0][0],
                    [first_of(connection, name, partition) for partition in range(partitions)],
                    [end_of(connection, name, partition) for partition in range(partitions)],
                )
                for name, partitions, *_ in rows(connection, SQL.topic_facts)
            }
            asked = [request for name in {name for name, _ in stages} for request in requests_of(connection, name)]
            apps = [spec_from(text) for _, text in rows(connection, SQL.app_all)]
            asked = sorted(asked, key=lambda request: request.id)
            return Standing(apps, topics, stages, sources_of(connection), asked, paused_of(connection))

        return await self._look(work)

    async def home(self) -> Mark | None:
        return await self._look(mark_of)

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        return await self._look(lambda connection: blocks_of(connection, topic, partition, offset, records, size))

    async def parked(
        self,
        stage: str | None,
        key: str | None,
        state: str | None,
        limit: int | None,
        after: tuple[str, int, int] = ("", 0, 0),
    ) -> Sequence[tuple[str, int, Parked, Sequence[Attempt]]]:
        def work(connection: apsw.Connection) -> list[tuple[str, int, Parked, Sequence[Attempt]]]:
            bound = {"stage": stage, "key": key, "state": state, "limit": -1 if limit is None else limit}
            bound |= {"after_stage": after[0], "after_partition": after[1], "after_offset": after[2]}
            found = []
            for name, partition, *row in rows(connection, SQL.parked_list, **bound):
                parked = parked_from(tuple(row))
                where = {"stage": name, "partition": partition, "offset": parked.offset}
                attempts = [attempt_from(attempt) for attempt in rows(connection, SQL.attempt_list, **where)]
                found.append((name, partition, parked, attempts))
            return found

        return await self._look(work)

    @property
    def tables(self) -> SQLiteTables:
        return self._tables

    async def documents(self, table: str, after: str | None, limit: int) -> Sequence[Document]:
        def work(connection: apsw.Connection) -> list[Document]:
            found = connection.execute(SQL.document_list, {"table": table, "after": after})
            return [document_from(row) for row in islice(found, limit)]

        return await self._look(work)

    async def runs(self, task: str | None, limit: int) -> Sequence[TaskRun]:
        return await self._look(
            lambda connection: [run_from(row) for row in rows(connection, SQL.run_list, task=task, limit=limit)]
        )

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        return await self._look(lambda connection: seen_of(connection, stage, partition, marks, since))

    async def passed(self, instants: Mapping[str, float]) -> Mapping[tuple[str, int], int]:
        def work(connection: apsw.Connection) -> dict[tuple[str, int], int]:
            found = {}
            for stage, partition, _, begins in rows(connection, SQL.begin_all):
                if stage in instants:
                    bound = {"stage": stage, "partition": partition, "at": instant_text(instants[stage])}
                    passed = rows(connection, SQL.progress_passed, **bound)
                    found[stage, partition] = begins if passed[0][0] is None else int(passed[0][0])
            return found

        return await self._look(work)

    async def ask(self, requests: Sequence[Request]) -> Sequence[int]:
        def work(connection: apsw.Connection) -> list[int]:
            ids = []
            for request in requests:
                ids.append(rows(connection, SQL.request_add, **request_row(request))[0][0])
            return ids

        return await self._write(work)

    async def replay(self, replay: Replay) -> int:
        def job(connection: apsw.Connection) -> int:
            row = {"stage": replay.stage, "key": replay.key, "rate": replay.rate, "same_id": int(replay.same_id)}
            at = instant_text(replay.at)
            number = int(rows(connection, SQL.replay_add, **row, by=replay.by, at=at)[0][0])
            for partition, first, last, gone in replay.ranges:
                closed = at if first >= last else None
                bound = {"number": number, "partition": partition, "first": first, "last": last}
                connection.execute(SQL.replay_range_add, {**bound, "gone": gone, "closed": closed})
            return number

        return await self._write(job)

    async def cancel(self, number: int) -> bool:
        def job(connection: apsw.Connection) -> bool:
            if all(closed for *_, closed in rows(connection, SQL.replay_ranges, number=number)):
                return False
            connection.execute(SQL.replay_cancel, {"number": number, "now": instant_text(self._clock.now())})
            return True

        return await self._write(job)

    async def answers(self, ids: Sequence[int]) -> Mapping[int, str]:
        def work(connection: apsw.Connection) -> dict[int, str]:
            return {id_: text for id_ in ids for (text,) in rows(connection, SQL.request_result, id=id_)}

        return await self._look(work)

    async def pause(self, name: str, by: str, at: float) -> None:
        row = {"name": name, "by": by, "since": instant_text(at)}
        await self._write(lambda connection: connection.execute(SQL.pause_put, row))

    async def resume(self, name: str) -> None:
        await self._write(lambda connection: connection.execute(SQL.pause_delete, {"name": name}))

    async def forget(self, what: Forgetting) -> Sequence[str]:
        def step(connection: apsw.Connection) -> list[str] | None:
            now = instant_text(self._clock.now())
            return forget_rest(connection, what, now) if forget_some(connection, what, now) else None

        while (within := await self._write(step)) is None:
            pass
        return within

    async def repartition(self, topic: str, partitions: int) -> None:
        now = instant_text(self._clock.now())
        await self._write(lambda connection: repartition(connection, topic, partitions, now))

    async def close(self) -> None:
        await asyncio.to_thread(self._one.shutdown)
        self._file.close()

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        """A transaction in its turn, after which workers are woken."""

        def in_turn() -> T:
            turn = Turn(str(self._file.path))
            try:
                with turn, self._connection as connection:
                    result = work(connection)
                tell(ports_of(self._connection, ""))
                return result
            except apsw.Error as error:
                raise away(error, self.url) from error
            finally:
                turn.close()

        return await asyncio.get_running_loop().run_in_executor(self._one, in_turn)

    async def _look(self, work: Callable[[apsw.Connection], T]) -> T:
        def in_snapshot() -> T:
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                self._connection.execute("ROLLBACK")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._one, in_snapshot)
        except apsw.Error as error:
            raise away(error, self.url) from error
