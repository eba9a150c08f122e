"""The log in memory: for tests, and for runs that are to leave nothing behind.

Guarantees: as the port says, for as long as the process lives. Every change is made in one step of the event loop,
after all that could refuse it has been checked; so it is whole without a transaction. Handles on one `MemoryStore`
are to each other as processes on one database are.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from onward import process
from onward.claim import Met, News, stage_of
from onward.clock import Clock
from onward.commit import Answer
from onward.errors import (
    AlreadyCommitted,
    GoneTooLong,
    LeaseLost,
    OtherPartitions,
    PartitionsDiffer,
    Renamed,
    StartNeeded,
    TopicDiffers,
    TopicNotDeclared,
)
from onward.limit import Seat, granted
from onward.log import (
    MEETING,
    Append,
    AppSpec,
    Block,
    Claim,
    Commit,
    Lease,
    Parked,
    Replay,
    SourceState,
    StageSpec,
    TopicSpec,
)
from onward.logs.memory_books import MemoryBooks
from onward.logs.memory_store import EMPTY, LeaseRow, MemoryStore, ProgressRow, StageRows, TopicRows, Written
from onward.rate import Account, Portion
from onward.shape import fingerprint, writes
from onward.task_run import KEPT, TaskRun


class MemoryLog(MemoryBooks):
    """A handle on a `MemoryStore`, its own unless one is given; it is a `Log`, and its own `Books`.

    See `onward.log` for what each method promises.
    """

    url = "memory:"

    def __init__(self, store: MemoryStore | None = None, *, clock: Clock | None = None) -> None:
        super().__init__(store or MemoryStore(), clock=clock)
        self._news = asyncio.Event()
        self.store.watching.add(self._news)
        self._name = ""

    async def declare(self, app: AppSpec) -> None:
        renamed = self._check(app)
        for part in app.parts:
            self.store.renamed.pop(part.name, None)
        for topic in app.topics:
            if topic.name in renamed:
                self.store.rename_topic(renamed[topic.name], topic.name)
            rows = self.store.topics.setdefault(topic.name, TopicRows(topic.partitions))
            if topic.shape is not None and writes(app, topic, [shape for shape, _ in rows.shapes.values()]):
                rows.shapes.setdefault(fingerprint(topic.shape), (topic.shape, self._clock.now()))
        for source in app.sources:
            if source.was and source.name not in self.store.sources:
                if source.was in self.store.sources or (source.was, 0) in self.store.leases:
                    self.store.renamed[source.was] = source.name
                self.store.rename_leases(source.was, source.name)
                self.store.rename_pause(source.was, source.name)
                if source.was in self.store.sources:
                    self.store.sources[source.name] = self.store.sources.pop(source.was)
        for stage in app.stages:
            self._add_stage(stage)
        for table in app.tables:
            self.store.tables.declare(table)
        self.store.note_gone(app, self._clock.now())
        self.store.apps[app.name] = app
        await self._changed()

    async def claim(self, stage: str, partition: int, worker: str, seconds: float) -> Claim | None:
        row = self.store.leases.setdefault((stage, partition), LeaseRow())
        now = self._clock.now()
        if stage in self.store.renamed or (row.worker != worker and row.live(now)):
            return None
        row.take(worker, now, seconds)
        rows = self.store.stages.get((stage, partition)) or StageRows()
        source = self.store.sources.get(stage, SourceState())
        claim = rows.claim(Lease(stage, partition, worker, row.token), self.store.topics.get(rows.topic), source)
        return replace(claim, crashes=row.crashes)

    async def resume(self, lease: Lease, first: int) -> Claim:
        rows = self.store.stages.get((lease.stage, lease.partition)) or StageRows("", first)
        topic = self.store.stages[stage_of(lease.stage), lease.partition].topic
        claim = rows.claim(lease, self.store.topics[topic], SourceState())
        return replace(claim, next=max(claim.next, first))

    async def renew(self, leases: Mapping[Lease, str], seconds: float) -> Sequence[Lease]:
        lost = []
        until = self._clock.now() + seconds if seconds else 0.0
        for lease, state in leases.items():
            if self._holds(lease):
                row = self.store.leases[lease.stage, lease.partition]
                row.until, row.state = until, state
            else:
                lost.append(lease)
        return lost

    async def copies(self, stage: str, partition: int, offsets: Sequence[int]) -> Sequence[Parked]:
        rows = self.store.stages.get((stage, partition)) or StageRows()
        return [rows.parked[offset] for offset in sorted(offsets) if offset in rows.parked]

    async def commit(self, commit: Commit) -> None:
        lease, now = commit.lease, self._clock.now()
        for append in commit.appends:
            self.store.part(append.topic, append.partition)
            known = self.store.topics[append.topic].partitions
            if append.partitions not in (0, known):
                raise OtherPartitions(append.topic, known, append.partitions)
        if lease is not None:
            if not self._holds(lease):
                raise LeaseLost(lease.stage, lease.partition, lease.token)
            self._check_new(lease, commit)
        self.store.tables.check(commit.tables)
        if lease is not None:
            self._finish(lease, commit, now)
        self.store.tables.write(commit.tables)
        for append in commit.appends:
            self._append(append, lease, now)
            if lease is None:
                self.store.topics[append.topic].put += append.count
        await self._changed()

    async def news(self, topics: Iterable[str], stages: Iterable[str]) -> News:
        ends = {
            (topic, partition): self.store.end(topic, partition)
            for topic in topics
            if topic in self.store.topics
            for partition in range(self.store.topics[topic].partitions)
        }
        left = [request for id_, request in self.store.requests.items() if id_ not in self.store.answers]
        asked = list(stages)
        found = [request for stage in asked for request in left if request.stage == stage]
        replays = tuple(replay for replay in self._open_replays() if replay.stage in asked)
        return News(ends, found, frozenset(self.store.paused), replays)

    async def changed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        # Cleared before the caller looks, so that what comes while it looks is not missed.
        self._news.clear()

    async def meet(self, worker: str, wants: Sequence[str]) -> Mapping[str, Met]:
        now = self._clock.now()
        self._name = worker
        self.store.workers[worker] = now + MEETING, tuple(wants)
        self.store.workers = {
            name: (until, wanted)
            for name, (until, wanted) in self.store.workers.items()
            if until >= now and not process.is_dead(name)
        }
        return {name: Met(wanted, now + MEETING - until) for name, (until, wanted) in self.store.workers.items()}

    async def retain(
        self,
        topic: str,
        written_before: float,
        offsets: Mapping[int, int],
        most: int | None = None,
        overrun: Collection[str] | None = None,
    ) -> int:
        deleted = 0
        parts = self.store.topics[topic].parts if topic in self.store.topics else []
        for partition, offset in offsets.items():
            if partition >= len(parts):
                continue
            if overrun is not None:
                offset = min(offset, self.store.unseen(topic, partition, overrun))
            part = parts[partition]
            while part and (most is None or deleted < most or len(part) == 1):
                block, at = part[0].block, part[0].at
                if at >= written_before or block.offset + block.count > offset:
                    break
                self.store.topics[topic].note_retained(partition, block)
                if len(part) == 1:
                    part[0] = part[0]._replace(block=block._replace(entries=EMPTY), keys=None)
                    break
                del part[0]
                deleted += 1
        if topic in self.store.topics:
            self.store.forget_shapes(topic)
        return deleted

    async def record_run(self, run: TaskRun) -> int:
        id_ = run.id or self.store.next_run
        self.store.next_run = max(self.store.next_run, id_ + 1)
        self.store.runs[id_] = replace(run, id=id_)
        old = sorted(other for other, kept in self.store.runs.items() if kept.task == run.task)[:-KEPT]
        for other in old:
            del self.store.runs[other]
        await self._changed()
        return id_

    async def fold(self, stage: str, partition: int, to: Collection[str], before: float, most: int) -> int:
        rows = self.store.stages.get((stage, partition)) or StageRows()
        live = self.store.stages.get((stage_of(stage), partition)) or rows
        kept = self.store.topics[live.topic].first(partition) if live.topic in self.store.topics else 0
        outputs = [written for topic in to if topic in self.store.topics for written in self.store.topics[topic].oldest]
        gone = rows.fold(kept, min([before, *outputs]), most)
        old = [o for o in sorted(rows.attempts) if o < kept and o not in rows.parked for _ in rows.attempts[o]][:most]
        for offset in old:
            del rows.attempts[offset][0]
            if not rows.attempts[offset]:
                del rows.attempts[offset]
        answered = [
            id_
            for id_, request in self.store.requests.items()
            if (request.stage, request.partition) == (stage, partition)
            if self.store.answered.get(id_, before) < before
        ][:most]
        for id_ in answered:
            del self.store.requests[id_], self.store.answers[id_], self.store.answered[id_]
            self.store.carried.pop(id_, None)
        return gone + len(old) + len(answered)

    async def draw(self, budget: str, per_second: float, count: int) -> Portion:
        now = self._clock.now()
        account = self.store.budgets.get(budget, Account(now, now, per_second))
        portion, self.store.budgets[budget] = account.portion(now, per_second, count)
        return portion

    async def occupy(self, stage: str, worker: str, most: int, using: int, wants: int, seconds: float) -> int:
        now = self._clock.now()
        live = {
            name: (seat, until)
            for name, (seat, until) in self.store.seats.get(stage, {}).items()
            if until > now and not process.is_dead(name) and name != worker
        }
        held = granted([seat for seat, _ in live.values()], Seat(worker, using, wants), most, int(now))
        if seconds and (held or wants):
            live[worker] = Seat(worker, held, wants), now + seconds
        self.store.seats[stage] = live
        return held

    async def close(self) -> None:
        self.store.watching.discard(self._news)
        self.store.workers.pop(self._name, None)

    # how it is done

    async def _changed(self) -> None:
        """Lets others run after every change, as a log that writes to a disk would."""
        self.store.tell()
        await asyncio.sleep(0)

    def _open_replays(self) -> Iterator[Replay]:
        for number, replay in self.store.replays.items():
            left = tuple(one for one in replay.ranges if (number, one.partition) not in self.store.closed)
            if left:
                yield replace(replay, ranges=left)

    def _holds(self, lease: Lease) -> bool:
        row = self.store.leases.get((stage_of(lease.stage), lease.partition))
        return row is not None and (row.worker, row.token) == (lease.worker, lease.token)

    def _check(self, app: AppSpec) -> dict[str, str]:
        """Refuses what does not fit, before anything is changed; gives the topics to rename, new name to old."""
        renamed = {
            topic.name: topic.was
            for topic in app.topics
            if topic.was and topic.name not in self.store.topics and topic.was in self.store.topics
        }
        for part in app.parts:
            now = self.store.renamed.get(part.name)
            if now is not None and part.was != now and not any(other.name == now for other in app.parts):
                raise Renamed(part.name, now)
        for topic in app.topics:
            rows = self.store.topics.get(renamed.get(topic.name, topic.name))
            if rows is not None and rows.partitions != topic.partitions:
                raise PartitionsDiffer(topic.name, rows.partitions, topic.partitions)
        for stage in app.stages:
            self._check_stage(stage, app.topics, renamed)
        return renamed

    def _check_stage(self, stage: StageSpec, topics: Sequence[TopicSpec], renamed: Mapping[str, str]) -> None:
        topic = renamed.get(stage.topic, stage.topic)
        known = self.store.stages.get((stage.name, 0)) or self.store.stages.get((stage.was or "", 0))
        if known is not None:
            if known.topic != topic:
                raise TopicDiffers(stage.name, known.topic, stage.topic)
            self._check_seen(stage)
        elif topic in self.store.topics:
            rows = self.store.topics[topic]
            ends = [rows.end(partition) for partition in range(rows.partitions)]
            if any(ends) and stage.start is None:
                raise StartNeeded(stage.name, stage.topic, sum(ends))
        elif not any(topic == declared.name for declared in topics):
            raise TopicNotDeclared(stage.name, stage.topic)

    def _check_seen(self, stage: StageSpec) -> None:
        for (name, partition), rows in sorted(self.store.stages.items()):
            if name in (stage.name, stage.was) and rows.topic in self.store.topics:
                first = self.store.topics[rows.topic].first(partition)
                if rows.next < first:
                    raise GoneTooLong(stage.name, f"{rows.topic}:{partition}", rows.next, first)

    def _add_stage(self, stage: StageSpec) -> None:
        if (stage.name, 0) in self.store.stages:
            return
        if (stage.was or "", 0) in self.store.stages:
            self.store.rename_stage(stage.was or "", stage.name)
            return
        rows = self.store.topics[stage.topic]
        for partition in range(rows.partitions):
            begins = rows.end(partition) if stage.start == "now" else rows.first(partition)
            self.store.stages[stage.name, partition] = StageRows(stage.topic, begins)

    def _check_new(self, lease: Lease, commit: Commit) -> None:
        rows = self.store.stages.get((lease.stage, lease.partition)) or StageRows()
        if (commit.finished and commit.finished[0][0] in rows.firsts) or commit.unit in rows.units:
            raise AlreadyCommitted(f"{lease.stage} partition {lease.partition}: {commit.unit or commit.finished[0]}")

    def _finish(self, lease: Lease, commit: Commit, now: float) -> None:
        rows = self.store.stages.setdefault((lease.stage, lease.partition), StageRows())
        rows.drops += [(reason, span) for reason, spans in commit.drops for span in spans]
        rows.next = rows.next if commit.next is None else commit.next
        if commit.finished or commit.totals is not None or commit.next is not None or commit.unit is not None:
            rows.add(ProgressRow(now, tuple(commit.finished), rows.next, commit.unit))
        rows.totals = commit.totals or rows.totals
        for offset in commit.unpark:
            rows.parked.pop(offset, None)
        for parked in commit.park:
            rows.parked[parked.offset] = parked
        for offset, due in commit.promote:
            if offset in rows.parked and rows.parked[offset].state == "behind":
                rows.parked[offset] = replace(rows.parked[offset], state="retrying", due=due, since=due)
        for attempt in commit.attempts:
            rows.attempts.setdefault(attempt.offset, []).append(attempt)
        if commit.closes:
            self.store.closed.add((int(lease.stage.partition("~")[2]), lease.partition))
        rows.seen |= {mark.text: mark for mark in commit.marks}
        if commit.forget is not None:
            before, since = commit.forget
            rows.seen = {text: mark for text, mark in rows.seen.items() if mark.offset >= before and mark.at >= since}
        if commit.source is not None:
            self.store.sources[lease.stage] = commit.source
        for id_, result, offsets in (Answer(*answer) for answer in commit.answered):
            if id_ in self.store.requests and id_ not in self.store.answers:
                self.store.answers[id_] = result
                self.store.answered[id_] = now
                self.store.carried[id_] = list(offsets)

    def _append(self, append: Append, lease: Lease | None, now: float) -> None:
        end = self.store.topics[append.topic].end(append.partition)
        block = Block(end, append.count, append.entries, secrets.token_hex(4))
        self.store.places += 1
        origin = (lease.partition, append.origins) if lease is not None and append.origins is not None else None
        maker = stage_of(lease.stage) if lease is not None else None
        written = Written(block, now, self.store.places, append.keys, maker, origin)
        self.store.part(append.topic, append.partition).append(written)
