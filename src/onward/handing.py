"""Handing out: which records go to a lane's call slots, and when.

A record is handed out only when none of its key is in hand or parked, so of a key at most one unit is at work.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence, Set
from typing import TYPE_CHECKING, Any, Protocol

from onward.answering import Answering
from onward.call import Unit
from onward.commits import Commits
from onward.draft import Draft
from onward.filling import Filling
from onward.hand import Hand
from onward.log import Parked
from onward.reading import LEAST, READ_RECORDS, Reading
from onward.running import is_suspect
from onward.settle import behind
from onward.stage import Stage
from onward.window import Chunk
from onward.work import Work

if TYPE_CHECKING:
    from onward.crew import Crew

CAREFUL = 2 * LEAST
"""So many records are noted before they are called when holders were gone in a row."""

RETRIES = 16
"""Parked records that are tried together while it is not known how large they are."""

GATHER = 0.1
"""Seconds for which records that are due may wait for others while new ones are worked on."""


class Spawn(Protocol):
    """Runs work as a task of the lane that holds a call slot, and the stage's probe if it is one."""

    def __call__(self, work: Coroutine[Any, Any, None], *, probe: bool) -> None: ...


class Handing:
    """Of one stage and partition.

    Args:
        within: whether the stage commits in another database.
        careful: whether each call is to be noted for a while, as holders were gone in a row.
        slot: takes a call slot; false where none is free.
    """

    def __init__(
        self,
        crew: Crew,
        stage: Stage,
        hand: Hand,
        commits: Commits,
        reading: Reading,
        work: Work,
        answering: Answering,
        *,
        within: bool,
        careful: bool,
        slot: Callable[[], bool],
        spawn: Spawn,
    ) -> None:
        self._crew = crew
        self._stage = stage
        self._hand = hand
        self._window = hand.window
        self._parking = hand.parking
        self._commits = commits
        self._reading = reading
        self._work = work
        self._answering = answering
        self._within = within
        self._careful = CAREFUL if careful else 0
        self._slot = slot
        self._spawn = spawn
        self._filling = Filling(stage.batch or 1, stage.fill or 0.0)
        # Where a unit fails as one, or a hanging call parks its record alone, none before it of its key may be left.
        alone = crew.isolation is not None or (stage.timeout is not None and not stage.handler.is_async)
        whole = stage.whole if stage.batch else alone
        self._one_per_key = whole and not stage.unordered

    def next_due(self, *, more: bool) -> float | None:
        """When something may be handed out that waits for a time; `more` says whether more will be read."""
        due = self._tried_next(more)
        if (filled := self._filling.until) is not None and not self._crew.breaker.tripped:
            due = filled if due is None else min(due, filled)
        pace = self._crew.pace
        if pace is None or (slow := pace.at) is None:
            return due
        if self._window.pending:
            return slow if due is None or not self._filling.until else max(slow, due)
        return None if due is None else max(slow, due)

    def _tried_next(self, more: bool) -> float | None:
        due = self._parking.next_due()
        breaker = self._crew.breaker
        if not breaker.tripped:
            return due
        if self._window.pending or more:
            return breaker.probe_at  # what is not parked may probe, whenever what is parked is due
        return None if due is None else max(breaker.probe_at, due)

    def start(self) -> None:
        """Hands out what may be, while a call slot is free."""
        breaker = self._crew.breaker
        while not self._uncommitted_enough() and not self._crew.left.nothing:
            new = self._filling.ready(self._window.pending, self._crew.now())
            if not self._paced(new or breaker.tripped):
                return
            if breaker.tripped:
                if breaker.probing or self._crew.now() < breaker.probe_at or not self._slot():
                    return
                if not self._probe():
                    self._crew.slot_free()
                    return
                continue
            if not (new or self._due()) or not self._slot():
                return
            # While there is new work, what is due gathers for a moment: a hundred retries in one unit cost no more
            # than one. Not where nothing is read: then nothing would come that looks again.
            more = new or self._reading.under_way
            if not (((not more or self._due(GATHER)) and self._parked()) or (new and self._live())):
                self._crew.slot_free()
                return

    def _uncommitted_enough(self) -> bool:
        """Bounds what a crash would repeat, and keeps units of a target's transaction strictly one after another."""
        if self._crew.behind_lease():
            return True
        if self._within:
            return (
                bool(self._hand.units or self._hand.flying or self._answering.open)
                or self._commits.under_way
                or not self._commits.draft.empty
            )
        if self._commits.halved and (self._hand.units or self._commits.under_way or not self._commits.draft.empty):
            return True
        if self._answering.open and not self._hand.flying:
            return True  # they wait for a moment when all is committed, which new work would put off for ever
        if self._commits.under_way and self._commits.draft.size > self._crew.room // 2:
            return True
        most = 1 if self._stage.effect else 8
        return (
            self._commits.draft.units >= most + (0 if self._stage.effect else self._stage.parallel)
            and self._commits.under_way
        )

    def _paced(self, new: bool) -> bool:
        """Whether the stage's rate lets something through; asks for more of it where there is work."""
        pace = self._crew.pace
        if pace is None or pace.may(1):
            return True
        wanted = (new and self._window.pending) or int(self._due())
        if wanted and pace.wanting:
            pace.ask(wanted)
        return False

    def _most(self, most: int) -> int:
        return most if self._crew.pace is None else self._crew.pace.may(most)

    def _due(self, since: float = 0.0) -> bool:
        due = self._parking.next_due()
        return due is not None and due + since <= self._crew.now()

    def _parked(self, most: int = READ_RECORDS) -> bool:
        """Hands out parked records that are due; one group at a time where calls act outside or are batches."""
        if self._answering.open or not self._due() or self._uncommitted_enough():
            return False
        most = min(most, self._crew.room // self._hand.record_size if self._hand.record_size else RETRIES)
        groups = self._parking.take(
            self._crew.now(), self._most(max(1, most)), self._hand.flying | self._commits.unwritten
        )
        groups = [group for group in groups if self._may_fly(group)]
        if not groups:
            return False
        if self._one_per_key:
            groups = [group[:1] if self._parking.rows[group[0]].batch is None else group for group in groups]
        if self._notes or any(is_suspect(self._parking.rows[group[0]]) for group in groups):
            groups = [groups[0][:1]]
        if self._hand.singly:
            groups = [groups[0][:1]]
            self._hand.singly -= 1
        if self._stage.batch:
            groups = groups[:1]
            if self._parking.rows[groups[0][0]].batch is None:
                groups[0] = groups[0][: self._stage.batch]
        offsets = sorted(offset for group in groups for offset in group)
        if self._crew.pace is not None:
            self._crew.pace.spend(len(offsets))
        self._hand.flying.update(offsets)
        keys = {key for offset in offsets if (key := self._parking.rows[offset].key) is not None}
        self._hand.keys |= keys
        probe = self._crew.breaker.tripped
        self._spawn(self._work.retry(offsets, keys, probe=probe), probe=probe)
        return True

    def _may_fly(self, group: Sequence[int]) -> bool:
        keys = {self._parking.rows[offset].key for offset in group}
        return self._stage.unordered or not (keys & self._hand.keys)

    def _live(self, *, probe: bool = False, skip: int = 0) -> bool:
        stage = self._stage
        if self._uncommitted_enough():
            return False
        most = (
            1
            if probe or self._hand.singly or self._notes
            else max(1, (stage.batch or self._share()) >> self._commits.halved)
        )
        most = self._most(self._within_bound(most))
        busy, parked = self._taken_keys()
        if stage.fill:
            self._window.gather(most)
        chunk, blocked = self._window.take(most, busy, parked, one_per_key=self._one_per_key, skip=skip)
        if blocked:
            self._park_behind(blocked)
        if chunk is not None and blocked and self._within:
            # The unit would move `next` in the target past records whose parking the store does not have yet.
            self._window.give_back(chunk)
            return False
        if chunk is None:
            return False
        unit = Unit(chunk, probe=probe)
        unit.skipped = skip
        unit.note = self._notes
        self._careful = max(0, self._careful - 1)
        self._filling.handed_out()
        if self._crew.pace is not None:
            self._crew.pace.spend(len(unit))
        self._hand.singly = max(0, self._hand.singly - 1)
        if stage.parallel > 1 and not stage.unordered:
            unit.keys = {key for entry in chunk.entries if (key := entry[1]) is not None}
            self._hand.keys |= unit.keys
        self._hand.units.add(unit)  # in hand from now on, and not only when its task has begun
        self._spawn(self._work.do(unit), probe=probe)
        return True

    def _within_bound(self, most: int) -> int:
        """So many records that what they emit stays within the bounds, if each gives one of its own size."""
        left = self._crew.left
        size = max(1, self._window.size // max(1, self._window.held))
        return max(1, int(min(most, left.records, left.bytes // size)))

    def _share(self) -> int:
        """How many records one slot takes, so that all slots get some."""
        if self._stage.parallel == 1:
            return READ_RECORDS
        return max(1, min(READ_RECORDS, -(-self._window.pending // self._stage.parallel)))

    def _park_behind(self, chunks: Sequence[Chunk]) -> None:
        draft, now = Draft(), self._crew.now()
        for chunk in chunks:
            unit = Unit(chunk)
            for index in range(len(chunk)):
                row = self._set_aside(behind(unit, index, now))
                draft.park[row.offset] = row
        draft.units = 1
        for chunk in chunks:
            self._window.finish([(offset, offset + 1) for offset in chunk.offsets], len(chunk), chunk.size)
        for row in draft.park.values():
            self._parking.put(row)
        self._commits.add(draft)
        self._commits.start()

    def _taken_keys(self) -> tuple[Set[str], Set[str]]:
        """Keys whose records stay until they are free, and keys whose records are set aside when they come."""
        return set() if self._stage.unordered else self._hand.keys, self._parking.blocked.keys()

    def _set_aside(self, row: Parked) -> Parked:
        return row

    def _probe(self) -> bool:
        breaker = self._crew.breaker
        breaker.probing = True
        # Another record each time, or one that is bad by itself would keep the stage down after the outage.
        handed = self._live(probe=True, skip=breaker.probes - 1) or self._live(probe=True)
        handed = handed or self._parked(most=1)
        breaker.probing = handed
        return handed

    @property
    def _notes(self) -> bool:
        """Whether each call is noted in the store before it is made."""
        return self._stage.long or self._careful > 0
