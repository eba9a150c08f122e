"""What an in-memory log holds: plain objects in dicts, shared by all handles on it, on one event loop at a time."""

from __future__ import annotations

import asyncio
import secrets
from bisect import bisect_right
from collections.abc import Collection, Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from msgspec.structs import replace

from onward import process
from onward.claim import stage_of
from onward.commit import Mark
from onward.errors import Refused
from onward.forget import without
from onward.limit import Seat
from onward.log import (
    OVERLAP,
    QUICK,
    AppSpec,
    Attempt,
    Block,
    Claim,
    Forgetting,
    Lease,
    Parked,
    Replay,
    Request,
    SourceState,
    Span,
    Totals,
)
from onward.logs.memory_tables import MemoryTables
from onward.rate import Account
from onward.span import merged
from onward.survey import Held, Paused, Retained, Stored
from onward.task_run import TaskRun

EMPTY = b"[]"
"""The entries of a block that has lost them."""

Where = tuple[str, int]
"""A stage or source, and a partition."""


class Written(NamedTuple):
    """A block, when it was written, as which of all (`place`), by whom, and from which records of which partition."""

    block: Block
    at: float
    place: int = 0
    keys: bytes | None = None
    maker: str | None = None
    origin: tuple[int, Span] | None = None

    def stored(self, topic: str, partition: int) -> Stored:
        return Stored(topic, partition, self.block, self.at, self.maker)


class TopicRows:
    """A topic: its blocks by partition, and how many records were put into it."""

    def __init__(self, partitions: int) -> None:
        self.incarnation = secrets.token_hex(4)
        self.partitions = partitions
        self.put = self.forgotten = self.held = 0
        self.shapes: dict[str, tuple[str, float]] = {}
        self.parts: list[list[Written]] = [[] for _ in range(partitions)]
        self.retained: dict[int, Retained] = {}

    def note_retained(self, partition: int, block: Block) -> None:
        """Notes that retention deletes a block; one that has lost its entries before was noted then."""
        if block.entries != EMPTY:
            offset, count = self.retained.get(partition, Retained(0, 0))
            self.retained[partition] = Retained(max(offset, block.offset + block.count), count + block.count)

    def end(self, partition: int) -> int:
        """The offset that the next record of a partition gets."""
        part = self.parts[partition]
        return part[-1].block.offset + part[-1].block.count if part else 0

    def first(self, partition: int) -> int:
        """The offset of the first record that is kept; the partition's end where none is."""
        kept = self.kept(partition)
        return kept[0].offset if kept else self.end(partition)

    @property
    def oldest(self) -> list[float]:
        """When the oldest block that has its entries was written, of each partition that has one."""
        firsts = (next((one.at for one in part if one.block.entries != EMPTY), None) for part in self.parts)
        return [at for at in firsts if at is not None]

    def kept(self, partition: int) -> list[Block]:
        """The blocks that have their entries."""
        return [block for block, *_ in self.parts[partition] if block.entries != EMPTY]


class LeaseRow:
    """The newest lease of a stage or source and partition."""

    def __init__(self) -> None:
        self.worker = ""
        self.token = 0
        self.until = 0.0
        self.taken = 0.0
        self.crashes = 0
        self.state = ""

    def live(self, now: float) -> bool:
        return self.until > now and not process.is_dead(self.worker)

    def take(self, worker: str, now: float, seconds: float) -> None:
        """Gives it to a worker; notes how many holders in a row were gone without giving it back."""
        if not self.until:
            self.crashes = 0
        elif self.worker != worker:
            self.crashes = self.crashes + 1 if self.until - self.taken < QUICK else 1
        self.worker, self.token, self.until, self.state = worker, self.token + 1, now + seconds, ""
        self.taken = now

    def held(self, where: Where, now: float) -> Held:
        return Held(*where, self.worker, self.state, self.live(now))


class ProgressRow(NamedTuple):
    """What one commit of a stage finished, and where it then stood."""

    at: float
    finished: tuple[Span, ...]
    next: int
    unit: str | None


class StageRows:
    """One stage and partition: where its work stands, and what it has parked."""

    def __init__(self, topic: str = "", begins: int = 0) -> None:
        self.topic = topic
        self.begins = begins
        self.next = begins
        self.totals = Totals()
        self.rows: list[ProgressRow] = []
        self.folded: list[Span] = []
        self.firsts: set[int] = set()
        self.units: set[str] = set()
        self.drops: list[tuple[str, Span]] = []
        self.parked: dict[int, Parked] = {}
        self.attempts: dict[int, list[Attempt]] = {}
        self.seen: dict[str, Mark] = {}

    @property
    def finished(self) -> list[tuple[float, Span]]:
        """Each span that is not folded, and when it was finished."""
        return [(row.at, span) for row in self.rows for span in row.finished]

    @property
    def ahead(self) -> list[Span]:
        """What is finished beyond `next`."""
        return sorted((max(first, self.next), end) for _, (first, end) in self.finished if end > self.next)

    def claim(self, lease: Lease, topic: TopicRows | None, source: SourceState) -> Claim:
        """What there is to do under a lease."""
        return Claim(
            lease=lease,
            next=self.next,
            ahead=self.ahead,
            totals=self.totals,
            parked=[replace(parked, entry=b"", nonce="") for parked in self.parked_rows()],
            incarnation=topic.incarnation if topic else "",
            source=source,
            unit=max(self.units, default=None),
            shapes=[(name, shape) for name, (shape, _) in topic.shapes.items()] if topic else [],
        )

    def add(self, row: ProgressRow) -> None:
        """Takes in what a commit has finished."""
        self.rows.append(row)
        self.firsts.update(first for first, _ in row.finished[:1])
        self.units.update([] if row.unit is None else [row.unit])

    def passed(self, at: float) -> int:
        """`next` as it was at an instant, as far as that is known."""
        return next((row.next for row in reversed(self.rows) if row.at <= at), self.begins)

    def fold(self, kept: int, before: float, most: int) -> int:
        """Folds rows whose records are kept no more; returns how many."""
        greatest = max(self.units, default=None)
        old: list[ProgressRow] = []
        for row in self.rows[:-1]:
            if row.next > kept or row.at >= before or len(old) == most:
                break
            if all(end <= kept for _, end in row.finished) and (row.unit is None or row.unit != greatest):
                old.append(row)
        self.rows = [row for row in self.rows if not any(row is one for one in old)]
        self.folded = merged([*self.folded, *(span for row in old for span in row.finished)])
        for row in old:
            self.firsts.difference_update(first for first, _ in row.finished[:1])
            self.units.difference_update([row.unit])
        return len(old)

    def parked_rows(self) -> list[Parked]:
        return [self.parked[offset] for offset in sorted(self.parked)]


class MemoryStore:
    """One store: everything that the port names, by name."""

    def __init__(self) -> None:
        self.apps: dict[str, AppSpec] = {}
        self.topics: dict[str, TopicRows] = {}
        self.stages: dict[Where, StageRows] = {}
        self.sources: dict[str, SourceState] = {}
        self.renamed: dict[str, str] = {}
        self.leases: dict[Where, LeaseRow] = {}
        self.requests: dict[int, Request] = {}
        self.answers: dict[int, str] = {}
        self.tables = MemoryTables()
        self.runs: dict[int, TaskRun] = {}
        self.next_run = 1
        self.replays: dict[int, Replay] = {}
        self.replayed = 0
        self.closed: set[tuple[int, int]] = set()
        """Numbers and partitions of replays that are over."""
        self.answered: dict[int, float] = {}
        self.asked = 0
        self.gone: dict[str, float] = {}
        self.paused: dict[str, Paused] = {}
        self.carried: dict[int, list[Span]] = {}
        self.places = 0
        self.workers: dict[str, tuple[float, tuple[str, ...]]] = {}
        self.budgets: dict[str, Account] = {}
        self.seats: dict[str, dict[str, tuple[Seat, float]]] = {}
        self.watching: set[asyncio.Event] = set()

    def tell(self) -> None:
        """Wakes all handles that wait for a change."""
        for event in self.watching:
            event.set()

    def end(self, topic: str, partition: int) -> int:
        return self.topics[topic].end(partition) if topic in self.topics else 0

    def after(self, topic: str, partition: int, offset: int) -> Iterator[Block]:
        """The kept blocks of a partition from the one that holds the offset; none where nobody has declared it."""
        rows = self.topics.get(topic)
        part = rows.parts[partition] if rows is not None and partition < len(rows.parts) else []
        start = max(0, bisect_right(part, offset, key=lambda written: written.block.offset) - 1)
        for block, *_ in islice(part, start, None):
            if block.entries != EMPTY and block.offset + block.count > offset:
                yield block

    def part(self, topic: str, partition: int) -> list[Written]:
        """The blocks of a partition; `Refused` where nobody has declared it."""
        rows = self.topics.get(topic)
        if rows is None or not 0 <= partition < rows.partitions:
            raise Refused(f"topic {topic} partition {partition} is not declared; run the app that declares it")
        return rows.parts[partition]

    def rename_topic(self, was: str, name: str) -> None:
        """Moves a topic with all that names it."""
        self.topics[name] = self.topics.pop(was)
        self.apps = {app: spec.with_topic_renamed(was, name) for app, spec in self.apps.items()}
        for rows in self.stages.values():
            rows.topic = name if rows.topic == was else rows.topic
            rows.totals = replace(rows.totals, emitted=_renamed(rows.totals.emitted, was, name))
        for source, state in self.sources.items():
            self.sources[source] = replace(state, emitted=_renamed(state.emitted, was, name))

    def forget_shapes(self, topic: str) -> None:
        """Lets go of shapes of which no record can be left."""
        rows = self.topics[topic]
        old = any(
            offset < rows.first(at)
            for (_, at), one in self.stages.items()
            if one.topic == topic
            for offset in one.parked
        )
        oldest = min(rows.oldest, default=float("inf"))
        for name, following in pairwise(list(rows.shapes)):
            if old or rows.shapes[following][1] + OVERLAP >= oldest:
                return
            del rows.shapes[name]

    def unseen(self, topic: str, partition: int, overrun: Collection[str]) -> int:
        """The first offset of a partition that a stage has yet to see, of those that count."""
        return min(
            (
                rows.next
                for (stage, at), rows in self.stages.items()
                if (rows.topic, at) == (topic, partition) and not (stage in overrun and stage in self.gone)
            ),
            default=2**62,
        )

    def note_gone(self, app: AppSpec, now: float) -> None:
        known = {stage for (stage, _), rows in self.stages.items() if rows.topic} | self.sources.keys()
        for name in app.gone(known):
            self.gone.setdefault(name, now)
        for part in app.parts:
            self.gone.pop(part.name, None)

    def forget(self, what: Forgetting) -> None:
        """Deletes all there is of these; what they have brought into a topic that stays counts as forgotten."""
        for (stage, partition), rows in list(self.stages.items()):
            if stage_of(stage) in what.stages:
                self._count_forgotten(rows.totals.emitted)
                del self.stages[stage, partition]
        self.replays = {n: replay for n, replay in self.replays.items() if replay.stage not in what.stages}
        for source in what.sources:
            self._count_forgotten(self.sources.pop(source, SourceState()).emitted)
        names = {*what.stages, *what.sources}
        self.leases = {where: row for where, row in self.leases.items() if where[0] not in names}
        old = [id_ for id_, request in self.requests.items() if request.stage in names]
        for id_ in old:
            del self.requests[id_]
            self.answers.pop(id_, None)
            self.carried.pop(id_, None)
            self.answered.pop(id_, None)
        for name in names:
            self.paused.pop(name, None)
            self.gone.pop(name, None)
        for topic in what.topics:
            self.topics.pop(topic, None)
            for rows in self.stages.values():
                rows.totals = replace(rows.totals, emitted=_without(rows.totals.emitted, topic))
            for source, state in self.sources.items():
                self.sources[source] = replace(state, emitted=_without(state.emitted, topic))
        for app in what.apps:
            self.tables.forget(app)
            self.runs = {id_: run for id_, run in self.runs.items() if not run.task.startswith(f"{app}.")}
        self.apps = {name: without(app, what) for name, app in self.apps.items() if name not in what.apps}

    def _count_forgotten(self, emitted: dict[str, int]) -> None:
        for topic, count in emitted.items():
            if topic in self.topics:
                self.topics[topic].forgotten += count

    def repartition(self, topic: str, partitions: int) -> None:
        """Gives a topic another number of partitions; the stages that read it begin at the start of new ones."""
        rows = self.topics[topic]
        rows.incarnation, rows.partitions = secrets.token_hex(4), partitions
        rows.parts += [[] for _ in range(partitions - len(rows.parts))]
        rows.held = len(rows.parts)
        for stage in {stage for (stage, _), one in self.stages.items() if one.topic == topic}:
            for at in range(partitions):
                if (stage, at) not in self.stages:
                    self.stages[stage, at] = StageRows(topic, rows.first(at))

    def rename_stage(self, was: str, name: str) -> None:
        self.renamed[was] = name
        self.gone.pop(was, None)
        self.rename_pause(was, name)
        for (stage, partition), rows in list(self.stages.items()):
            if stage_of(stage) == was:
                del self.stages[stage, partition]
                self.stages[name + stage.removeprefix(was), partition] = rows
        self.replays = {
            number: replace(replay, stage=name) if replay.stage == was else replay
            for number, replay in self.replays.items()
        }
        self.requests = {
            id_: request._replace(stage=name) if request.stage == was else request
            for id_, request in self.requests.items()
        }
        self.rename_leases(was, name)

    def rename_pause(self, was: str, name: str) -> None:
        if was in self.paused:
            self.paused[name] = self.paused.pop(was)

    def rename_leases(self, was: str, name: str) -> None:
        """And as whose work blocks stand."""
        for topic in self.topics.values():
            for part in topic.parts:
                part[:] = [written._replace(maker=name) if written.maker == was else written for written in part]
        for (stage, partition), lease in list(self.leases.items()):
            if stage == was:
                del self.leases[stage, partition]
                self.leases[name, partition] = lease


def _without(counts: dict[str, int], gone: str) -> dict[str, int]:
    return {topic: count for topic, count in counts.items() if topic != gone}


def _renamed(counts: dict[str, int], was: str, name: str) -> dict[str, int]:
    return {name if topic == was else topic: count for topic, count in counts.items()}
