"""Homes of every kind for tests, a store that holds something of everything, and all that can be seen of one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from onward.carry import Carrier
from onward.clock import HandClock
from onward.commit import Mark
from onward.conformance.case import FEED, IN, OTHER, OUT, WORK, append, parked
from onward.document import Edit, Field, Query
from onward.log import (
    MEETING,
    AppSpec,
    Attempt,
    Books,
    Commit,
    Forgetting,
    Lease,
    Log,
    Range,
    Replay,
    Request,
    SourceSpec,
    SourceState,
    StageSpec,
    TableSpec,
    TopicSpec,
    Totals,
)
from onward.logs.postgres import PostgresLog
from onward.logs.postgres_books import PostgresBooks
from onward.logs.postgres_carry import PostgresCarrier
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.logs.sqlite_carry import SQLiteCarrier
from onward.sqlite.backup import backup
from onward.sqlite.connection import path_of
from onward.task_run import TaskRun

TABLE = "app.items"
FIELDS = (Field("size", "size", "null"), Field("state", "", "null"))
OFFSETS = (0, 1, 2, 3, 5, 8, 13)
KEYS = ("k", "it's", "x", None)


class SQLiteHomes:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def url(self) -> str:
        """A place where nothing is."""
        return f"sqlite:///{self._folder / f'store{next(self._numbers)}.db'}"

    def log(self, url: str, clock: HandClock) -> Log:
        return SQLiteLog(url, clock=clock)

    def books(self, url: str, clock: HandClock) -> Books:
        return SQLiteBooks(url, clock=clock)

    def copy(self, url: str, to: str) -> None:
        """A place that holds what another one does, which nobody uses just now."""
        backup(url, path_of(to))

    def carrier(self, url: str, clock: HandClock) -> Carrier:
        return SQLiteCarrier(url, clock=clock)


class PostgresHomes:
    """Databases of a server."""

    def __init__(self, fresh: Callable[[], str]) -> None:
        self.url = fresh

    def log(self, url: str, clock: HandClock) -> Log:
        return PostgresLog(url, clock=clock)

    def books(self, url: str, clock: HandClock) -> Books:
        return PostgresBooks(url, clock=clock)

    def copy(self, url: str, to: str) -> None:
        """A place that holds what another one does, which nobody uses just now."""
        with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {to.rpartition('/')[2]}")
            connection.execute(f"CREATE DATABASE {to.rpartition('/')[2]} TEMPLATE {url.rpartition('/')[2]}")

    def carrier(self, url: str, clock: HandClock) -> Carrier:
        return PostgresCarrier(url, clock=clock)


Homes = SQLiteHomes | PostgresHomes


class Died(BaseException):
    """A process is gone."""


class Dies:
    """Ends before the n-th change of either home, which is to the homes as after the one before it."""

    def __init__(self, step: int) -> None:
        self.left = step

    def over(self, carrier: Carrier) -> Any:
        return Dying(carrier, self)

    async def change(self, work: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left == 0:
            raise Died
        return await work()


class Dying:
    """A carrier whose process may die at each change."""

    def __init__(self, carrier: Carrier, dies: Dies) -> None:
        self._carrier = carrier
        self._dies = dies

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._carrier, name)
        if name not in ("leave", "arrive", "take", "change"):
            return found
        return lambda *given: self._dies.change(lambda: found(*given))


def spec(**more: Any) -> AppSpec:
    return AppSpec(
        "app",
        (TopicSpec(IN, 2, 60.0, shape='{"int": 1}', **more), TopicSpec(OUT, 2, 60.0)),
        (SourceSpec(FEED, (IN,)),),
        (StageSpec(WORK, IN, (OUT,)), StageSpec(OTHER, OUT, ())),
        tables=(TableSpec(TABLE, FIELDS),),
    )


async def fill(log: Log, books: Books, clock: HandClock) -> Lease:
    """Something of everything; gives the lease of the stage, which nobody has taken over."""
    others = StageSpec("app.gone", IN, (OUT,)), StageSpec("app.lost", IN, ())
    before = spec()
    await log.declare(AppSpec("app", before.topics, before.sources, (*before.stages, *others), tables=before.tables))
    for partition in range(2):
        for first in range(0, 12, 3):
            sent = append(*range(first, first + 3), partition=partition, key=KEYS[first // 3])
            await log.commit(Commit(appends=[sent]))
    feed = (await log.claim(FEED, 0, "w1", 10.0)).lease  # type: ignore[union-attr]
    state = SourceState(b'{"at":7}', {IN: 2}, clock.now(), clock.now() + 60, "idle")
    await log.commit(Commit(lease=feed, appends=[append("é", "\U0001f511")], source=state))
    lost = (await log.claim("app.lost", 0, "w1", 10.0)).lease  # type: ignore[union-attr]
    await log.commit(Commit(lease=lost, finished=[(0, 1)], next=1, totals=Totals(1)))
    await log.claim(WORK, 0, "w2", 10.0)
    work = (await log.claim(WORK, 0, "w2", 10.0)).lease  # type: ignore[union-attr]
    now = clock.now()
    edits = [
        Edit(TABLE, "a", 1, "put", None, b'{"size":1.5}', now, WORK, f"{IN}:0:0"),
        Edit(TABLE, "a", 2, "move", "new", b'{"size":2}', now, "me"),
        Edit(TABLE, "it's", 1, "put", None, b'{"size":"x"}', now, WORK),
        Edit(TABLE, "n\0l~", 1, "put", None, b'{"size":"y"}', now, WORK),
        Edit(TABLE, "gone", 1, "put", None, b'{"size":9}', now, WORK),
        Edit(TABLE, "gone", 2, "delete", None, None, now, WORK),
    ]
    await log.commit(
        Commit(
            lease=work,
            appends=[append("x", "y", topic=OUT)._replace(origins=(0, 2))],
            finished=[(0, 2)],
            next=2,
            totals=Totals(2, 1, {OUT: 2}),
            drops=[("no use", [(1, 2)])],
            tables=edits,
            unit="000000000001@aa",
            marks=[Mark("first", 0, now), Mark("it's", 1, now)],
        )
    )
    clock.advance(61)
    now = clock.now()
    await log.commit(
        Commit(
            lease=work,
            appends=[append("z", topic=OUT, partition=1)._replace(origins=(3, 4))],
            finished=[(3, 4), (7, 8)],
            next=8,
            totals=Totals(4, 1, {OUT: 3}),
            park=[
                parked(2, "k", "dead", since=now, error="ValueError: no", reason="it's dead"),
                parked(4, "it's", "retrying", due=now + 9, since=now, batch="4-5"),
                parked(5, "it's", "behind", since=now),
                parked(6, "n\0l", "waiting", since=now, approved=True),
            ],
            attempts=[Attempt(2, number, now, 0.25, "ValueError", "no", "a\ntrace") for number in (1, 2)],
            unit="000000000002@aa",
        )
    )
    asked = await books.ask([Request(0, WORK, 0, "retry", {"key": "k"}, "me", now)])
    await books.ask([Request(0, WORK, 1, "edit", {"offset": 3}, "it's me", now, '{"a":1}')])
    await log.commit(Commit(lease=work, answered=[(asked[0], "retried", [(2, 3)])], next=8))  # type: ignore[list-item]
    number = await books.replay(Replay(WORK, (Range(0, 0, 2), Range(1, 0, 0, 3)), key="k", rate=5.0, by="me", at=now))
    again = Lease(f"{WORK}~{number}", 0, work.worker, work.token)
    await log.commit(
        Commit(
            lease=again, finished=[(0, 1)], next=2, totals=Totals(1), park=[parked(1, "k", "dead")],
            attempts=[Attempt(1, 1, now, 0.5, "E", "no", "")],
        )
    )  # fmt: skip
    await books.replay(Replay(WORK, (Range(0, 0, 1),), same_id=True, by="me", at=now))
    await books.cancel(2)
    await books.pause(OTHER, "me", now)
    for outcome in ("done", "failed"):
        run = TaskRun("app.task", "me", "host/1/2", now, b'{"a":1}')
        id_ = await log.record_run(run)
        ended = TaskRun("app.task", "me", "host/1/2", now, b"{}", id_, now + 1, outcome, "why", b"[1]", "said\n")  # type: ignore[arg-type]
        await log.record_run(ended)
    await log.draw("calls", 5.0, 2)
    await log.occupy(WORK, "w2", 4, 1, 2, 5.0)
    await log.renew({work: "it's well"}, 10.0)
    # A stage that is gone, a topic with another shape, a renamed source, what retention takes, and what is folded.
    clock.advance(3600)
    later = spec(was=None)
    topics = (TopicSpec(IN, 2, 60.0, shape='{"int": 2}'), *later.topics[1:])
    sources = (SourceSpec("app.fed", (IN,), was=FEED),)
    await log.declare(AppSpec("app", topics, sources, later.stages, tables=later.tables))
    await books.forget(Forgetting(stages=("app.lost",)))
    await log.retain(IN, clock.now(), {0: 3})
    other = (await log.claim(OTHER, 0, "w1", 10.0)).lease  # type: ignore[union-attr]
    for first in range(2):
        await log.commit(Commit(lease=other, finished=[(first, first + 1)], next=first + 1, totals=Totals(first + 1)))
    await log.retain(OUT, clock.now() + 1, {0: 2})
    await log.fold(OTHER, 0, (), clock.now() + 1, 10)
    clock.advance(10.0 + MEETING)
    return work


async def facts(log: Log, books: Books) -> dict[str, Any]:
    """All that can be seen of a store, but for who has moved it where."""
    survey, evidence, blocks = await books.evidence()
    seen: dict[str, Any] = {"survey": await books.survey(1e6), "evidence": (survey, evidence, sorted(blocks))}
    seen["standing"] = await books.standing()
    topics = [one.topic for one in survey.topics]
    stages = sorted({one.stage for one in survey.stages})
    seen["backlogs"] = await books.backlogs(topics)
    seen["passed"] = await books.passed({stage: log_at for stage in stages for log_at in [1_750_000_030.0]})
    seen["retained"] = await books.retained()
    names = [*stages, *(replay.replay.name for replay in survey.replays)]
    for name in [None, *names]:
        seen[f"parked {name}"] = await books.parked(name, None, None, None)
    for one in survey.topics:
        for partition in range(max(one.held, one.partitions)):
            where = f"{one.topic}:{partition}"
            seen[f"read {where}"] = await books.read(one.topic, partition, 0, 10**6, 10**9)
            for offset in OFFSETS:
                seen[f"stored {where}:{offset}"] = await books.stored(one.topic, partition, offset)
    for name in names:
        for partition in range(2):
            for offset in OFFSETS:
                seen[f"fate {name} {partition} {offset}"] = await books.fate(name, partition, offset)
                seen[f"made {name} {partition} {offset}"] = await books.made(name, partition, offset)
            seen[f"seen {name} {partition}"] = await books.seen(name, partition, ["first", "it's", "no"], 0.0)
            ahead = await books.seen(name, partition, ["first", "it's", "no"], 1_750_000_030.0)
            seen[f"seen late {name} {partition}"] = ahead
    for key in ("k", "it's", "x", "nobody"):
        seen[f"holding {key}"] = [
            (spot, more is None) for spots, more in [await books.holding(key, None)] for spot in spots
        ]
    for table in (table.name for app in survey.apps for table in app.tables):
        seen[f"documents {table}"] = await books.documents(table, None, 10**6)
        for query in (Query(table), Query(table, order=FIELDS[0]), Query(table, order=FIELDS[1], descending=True)):
            seen[f"find {query}"] = books.tables.find(query)
        for key in ("a", "it's", "n\0l~", "gone"):
            seen[f"history {table} {key}"] = books.tables.history(table, key)
    seen["runs"] = await books.runs(None, 100)
    seen["news"] = await log.news(topics, [*stages, "app.gone"])
    seen["answers"] = await books.answers(range(20))
    return {name: plain(value) for name, value in seen.items()}


def plain(answer: Any) -> Any:
    """Sequences of whatever kind as lists, and only there for what is unordered."""
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items()}
    if hasattr(answer, "_asdict"):
        return {key: plain(value) for key, value in answer._asdict().items()}
    if hasattr(answer, "__struct_fields__"):
        return {key: plain(getattr(answer, key)) for key in answer.__struct_fields__}
    if isinstance(answer, list | tuple):
        return [plain(value) for value in answer]
    if isinstance(answer, set | frozenset):
        return sorted(map(plain, answer))
    return answer
