"""Looking at a store in memory: what `status`, `parked` and `audit` show, and the requests that they leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from onward import process
from onward.clock import Clock, SystemClock
from onward.document import Document, Query
from onward.errors import Refused
from onward.forget import check, writers
from onward.log import (
    AppSpec,
    Attempt,
    Block,
    BlockRow,
    Forgetting,
    Lease,
    Parked,
    PartitionFacts,
    Replay,
    Request,
    SourceState,
    Survey,
)
from onward.logs.memory_store import EMPTY, LeaseRow, MemoryStore, StageRows, TopicRows, Where
from onward.logs.memory_tables import MemoryTables
from onward.logs.memory_trail import MemoryTrail
from onward.repartition import Left
from onward.repartition import check as check_left
from onward.span import length
from onward.survey import (
    Backlog,
    Evidence,
    Paused,
    ReplayFacts,
    StageStanding,
    Standing,
    TopicFacts,
    TopicStanding,
    parts_of,
)
from onward.task_run import TaskRun


class MemoryBooks(MemoryTrail):
    """A handle for looking at a `MemoryStore`; see `onward.log.Books` for what each method promises."""

    def __init__(self, store: MemoryStore, *, clock: Clock | None = None) -> None:
        self.store = store
        self._clock = clock or SystemClock()

    async def survey(self, recent: float = 60.0) -> Survey:
        store, now = self.store, self._clock.now()
        return Survey(
            apps=[app for _, app in sorted(store.apps.items())],
            stages=[self._facts(where, rows, recent) for where, rows in sorted(store.stages.items()) if rows.topic],
            topics=[_topic_facts(name, rows) for name, rows in sorted(store.topics.items())],
            sources=dict(store.sources),
            leases=[lease.held(where, now) for where, lease in sorted(store.leases.items())],
            gone=dict(store.gone),
            paused=dict(store.paused),
            replays=[self._replay_facts(replay) for _, replay in sorted(store.replays.items())],
        )

    async def evidence(self) -> tuple[Survey, Sequence[Evidence], Sequence[BlockRow]]:
        survey = await self.survey(0.0)
        found = []
        for facts in (*survey.stages, *parts_of(survey.replays)):
            rows = self.store.stages.get((facts.stage, facts.partition)) or StageRows()
            finished = sorted([*rows.folded, *(span for _, span in rows.finished)])
            found.append(Evidence(facts, finished, [(row.offset, row.key, row.state) for row in rows.parked_rows()]))
        blocks = [
            BlockRow(name, partition, block.offset, block.count, block.entries != EMPTY)
            for name, topic in sorted(self.store.topics.items())
            for partition, part in enumerate(topic.parts)
            for block, *_ in part
        ]
        return survey._replace(retained=await self.retained()), found, blocks

    async def home(self) -> None:
        return None

    async def backlogs(self, topics: Iterable[str]) -> tuple[Sequence[AppSpec], Sequence[Backlog]]:
        wanted, now = set(topics), self._clock.now()
        found: dict[str, Backlog] = {}
        for (stage, partition), rows in sorted(self.store.stages.items()):
            if rows.topic not in wanted:
                continue
            before = found.get(stage, Backlog(stage, rows.topic, 0, 0, ()))
            beyond = sum(offset >= rows.next for offset in rows.parked)
            left = self.store.end(rows.topic, partition) - rows.next - length(rows.ahead) - beyond
            lease = self.store.leases.get((stage, partition))
            found[stage] = before._replace(
                records=before.records + left,
                bytes=before.bytes + sum(len(b.entries) for b in self.store.after(rows.topic, partition, rows.next)),
                holders=(*before.holders, *([lease.held((stage, partition), now)] if lease is not None else ())),
            )
        return [app for _, app in sorted(self.store.apps.items())], list(found.values())

    async def standing(self) -> Standing:
        store, none = self.store, SourceState()
        stages = {}
        for where, rows in sorted(store.stages.items()):
            if rows.topic:
                held = store.leases.get(where) or LeaseRow()
                claim = rows.claim(Lease(*where, held.worker, held.token), store.topics[rows.topic], none)
                stages[where] = StageStanding(rows.topic, rows.begins, claim)
        topics = {}
        for name, topic in store.topics.items():
            partitions = range(len(topic.parts))
            topics[name] = TopicStanding(
                topic.incarnation, list(map(topic.first, partitions)), list(map(topic.end, partitions))
            )
        apps = [app for _, app in sorted(store.apps.items())]
        asked = [request for id_, request in sorted(store.requests.items()) if id_ not in store.answers]
        return Standing(apps, topics, stages, dict(store.sources), asked, dict(store.paused))

    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        found: list[Block] = []
        for block in self.store.after(topic, partition, offset):
            end = block.offset + block.count
            if found and len(block.entries) > size:
                break
            found.append(block)
            records -= end - max(offset, block.offset)
            size -= len(block.entries)
            if records <= 0 or size <= 0:
                break
        return found

    async def parked(
        self,
        stage: str | None,
        key: str | None,
        state: str | None,
        limit: int | None,
        after: tuple[str, int, int] = ("", 0, 0),
    ) -> Sequence[tuple[str, int, Parked, Sequence[Attempt]]]:
        found = [
            (name, partition, row, list(rows.attempts.get(row.offset, ())))
            for (name, partition), rows in sorted(self.store.stages.items())
            for row in rows.parked_rows()
            if (stage == name or (stage is None and "~" not in name))
            and key in (None, row.key)
            and state in (None, row.state)
            if (name, partition, row.offset) > after
        ]
        return found[:limit]

    @property
    def tables(self) -> MemoryTables:
        return self.store.tables

    async def documents(self, table: str, after: str | None, limit: int) -> Sequence[Document]:
        found = self.store.tables.find(Query(table))
        return [document for document in found if after is None or document.key > after][:limit]

    async def runs(self, task: str | None, limit: int) -> Sequence[TaskRun]:
        found = [self.store.runs[id_] for id_ in sorted(self.store.runs, reverse=True)]
        return [run for run in found if task in (None, run.task)][:limit]

    async def passed(self, instants: Mapping[str, float]) -> Mapping[tuple[str, int], int]:
        return {
            (stage, partition): rows.passed(instants[stage])
            for (stage, partition), rows in self.store.stages.items()
            if stage in instants and rows.topic
        }

    async def seen(self, stage: str, partition: int, marks: Sequence[str], since: float) -> Mapping[str, int]:
        seen = (self.store.stages.get((stage, partition)) or StageRows()).seen
        found = [seen[mark] for mark in marks if mark in seen]
        return {mark.text: mark.offset for mark in found if mark.at >= since}

    async def ask(self, requests: Sequence[Request]) -> Sequence[int]:
        ids = []
        for request in requests:
            self.store.asked += 1
            ids.append(self.store.asked)
            self.store.requests[ids[-1]] = request._replace(id=ids[-1])
        self.store.tell()
        return ids

    async def replay(self, replay: Replay) -> int:
        self.store.replayed += 1
        number = self.store.replayed
        self.store.replays[number] = replace(replay, number=number)
        self.store.closed.update((number, one.partition) for one in replay.ranges if one.first >= one.end)
        self.store.tell()
        return number

    async def cancel(self, number: int) -> bool:
        replay = self.store.replays.get(number)
        if replay is None or all((number, one.partition) in self.store.closed for one in replay.ranges):
            return False
        self.store.replays[number] = replace(replay, cancelled=True)
        self.store.tell()
        return True

    async def answers(self, ids: Sequence[int]) -> Mapping[int, str]:
        return {id_: self.store.answers[id_] for id_ in ids if id_ in self.store.answers}

    async def pause(self, name: str, by: str, at: float) -> None:
        self.store.paused.setdefault(name, Paused(by, at))
        self.store.tell()

    async def resume(self, name: str) -> None:
        self.store.paused.pop(name, None)
        self.store.tell()

    async def forget(self, what: Forgetting) -> Sequence[str]:
        readers = {stage: rows.topic for (stage, _), rows in self.store.stages.items() if rows.topic}
        names = {*what.stages, *what.sources, *writers(self.store.apps.values(), what.topics)}
        check(what, self.store.apps.values(), readers, self._users(names))
        stages = {stage for (stage, _), rows in self.store.stages.items() if stage in what.stages and rows.units}
        self.store.forget(what)
        self.store.tell()
        return [stage for stage in what.stages if stage in stages]

    async def repartition(self, topic: str, partitions: int) -> None:
        if topic not in self.store.topics:
            raise Refused(f"there is no topic {topic}")
        writing = writers(self.store.apps.values(), [topic])
        reading = {where: rows for where, rows in sorted(self.store.stages.items()) if rows.topic == topic}
        left = [
            Left(stage, at, self.store.end(topic, at) - rows.next, len(rows.parked))
            for (stage, at), rows in reading.items()
        ]
        check_left(topic, left, writing, self._users({*writing, *(stage for stage, _ in reading)}))
        self.store.repartition(topic, partitions)
        self.store.tell()

    def _users(self, names: Collection[str]) -> list[tuple[str, str]]:
        now = self._clock.now()
        held = [
            (stage, row.worker) for (stage, _), row in self.store.leases.items() if stage in names and row.live(now)
        ]
        living = [
            (name, worker)
            for worker, (until, wants) in self.store.workers.items()
            if until >= now and not process.is_dead(worker)
            for name in wants
            if name in names
        ]
        return [*held, *living]

    async def close(self) -> None:
        return None

    def _replay_facts(self, replay: Replay) -> ReplayFacts:
        parts = []
        for partition, first, end, _ in replay.ranges:
            rows = self.store.stages.get((replay.name, partition)) or StageRows("", first)
            live = self.store.stages.get((replay.stage, partition))
            parts.append(
                PartitionFacts(
                    stage=replay.name,
                    topic=live.topic if live is not None else "",
                    partition=partition,
                    begins=first,
                    end=end,
                    next=max(rows.next, first),
                    ahead=length(rows.ahead),
                    totals=rows.totals,
                    parked=dict(Counter(row.state for row in rows.parked.values())),
                    recent=0,
                    holder=None,
                )
            )
        closed = [one.partition for one in replay.ranges if (replay.number, one.partition) in self.store.closed]
        return ReplayFacts(replay, parts, closed)

    def _facts(self, where: Where, rows: StageRows, recent: float) -> PartitionFacts:
        stage, partition = where
        now = self._clock.now()
        lease = self.store.leases.get(where)
        return PartitionFacts(
            stage=stage,
            topic=rows.topic,
            partition=partition,
            begins=rows.begins,
            end=self.store.end(rows.topic, partition),
            next=rows.next,
            ahead=length(rows.ahead),
            totals=rows.totals,
            parked=dict(Counter(row.state for row in rows.parked.values())),
            recent=length(span for at, span in rows.finished if at >= now - recent) if recent else 0,
            holder=lease.held(where, now) if lease is not None else None,
        )


def _topic_facts(name: str, rows: TopicRows) -> TopicFacts:
    kept = [block for partition in range(len(rows.parts)) for block in rows.kept(partition)]
    return TopicFacts(
        topic=name,
        partitions=rows.partitions,
        records=sum(block.count for block in kept),
        bytes=sum(len(block.entries) for block in kept),
        put=rows.put,
        ends=sum(rows.end(partition) for partition in range(len(rows.parts))),
        forgotten=rows.forgotten,
        held=rows.held,
    )
