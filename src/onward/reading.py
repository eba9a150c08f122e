"""Reading ahead into a lane's window, while there is room for records and bytes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from onward.errors import Broken
from onward.events import Full
from onward.hand import Hand
from onward.stage import Stage
from onward.window import chunk_of, cut

if TYPE_CHECKING:
    from onward.crew import Crew

READ_RECORDS, LEAST = 4_000, 1_000
"""Records that are read at once: fewer, down to the least, where no more may be parked."""

READ_BYTES = 1_000_000

AHEAD = 3
"""So many times what is read at once may be in hand: while some are worked on, the next are there and more is read."""


class Reading:
    """Of one stage and partition; one read at a time.

    Args:
        spawn: runs work as a task of the lane.
        may_hold: whether the lane may have so many bytes in hand where that is more than its room.
    """

    def __init__(
        self,
        crew: Crew,
        stage: Stage,
        partition: int,
        hand: Hand,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        may_hold: Callable[[int], bool],
    ) -> None:
        self.under_way = False
        self.full = False
        """As many records are parked as may be: nothing more is read."""
        self._crew = crew
        self._stage = stage
        self._partition = partition
        self._window = hand.window
        self._parking = hand.parking
        self._hand = hand
        self._spawn = spawn
        self._may_hold = may_hold
        self._large = 0

    def start(self, end: int) -> None:
        """Reads on, if there is something up to `end` and room for it."""
        window = self._window
        if self.under_way or window.reach >= end or (self._crew.breaker.tripped and window.pending):
            return
        room, records = self._crew.room, self._records
        if window.held + records > AHEAD * records or (window.held and window.size + _read_size(room) > room):
            return
        if self._is_full() or self._crew.ration.over:
            return
        if self._large and not self._may_hold(self._large):
            return  # what it read last was larger than its room, and so may be what comes
        self.under_way = True
        self._spawn(self._one())

    def let_go(self, committing: bool) -> None:
        """Says so when something large has left the hand."""
        if self._large and not (self._window.held or self._hand.units or committing or self.under_way):
            self._crew.holds_no_more(self._partition)

    @property
    def _records(self) -> int:
        """How many to read at once."""
        return max(LEAST, min(READ_RECORDS, self._parked_most - len(self._parking)))

    @property
    def _parked_most(self) -> int:
        return max(1, self._stage.parked_most // self._stage.topic.partitions)

    def _is_full(self) -> bool:
        full = len(self._parking) >= self._parked_most
        if full and not self.full:
            keys = self._parking.blocked
            key = max(keys, key=lambda key: len(keys[key]), default=None)
            self._crew.observe(Full(self._stage.name, self._partition, len(self._parking), key))
        self.full = full
        return full

    async def _one(self) -> None:
        try:
            await self._read()
        finally:
            self.under_way = False

    async def _read(self) -> None:
        window, topic = self._window, self._stage.topic.name
        records, size = self._records, _read_size(self._crew.room)
        async with self._crew.reads:
            blocks = await self._crew.patiently(
                lambda: self._crew.log.read(topic, self._partition, window.reach, records, size)
            )
            if not blocks or blocks[0].offset > window.reach:
                raise Broken(
                    f"{topic}:{self._partition} holds no record at offset {window.reach}, which "
                    f"{self._stage.name} has yet to see; `onward audit` says what is missing"
                )
            blocks = cut(blocks, window.reach, max(size, self._crew.room - window.size))
        if self._is_too_large(sum(len(block.entries) for block in blocks)):
            return
        reach = blocks[-1].offset + blocks[-1].count
        chunk = chunk_of(blocks, window.reach, window.skip, self._crew.reader)
        self._hand.record_size = max(self._hand.record_size, chunk.size // max(1, len(chunk)))
        window.add(*self._crew.ration.read(chunk, reach))

    def _is_too_large(self, size: int) -> bool:
        """Whether what was read may not stay, as other lanes have much in hand; it is read again when it may."""
        self._large = size if size > self._crew.room else 0
        if not self._large:
            self._crew.holds_no_more(self._partition)
        return self._large > 0 and not self._may_hold(size)


def _read_size(room: int) -> int:
    """Bytes to read at once: half of what there is room for, so that one half is worked on while the other is read."""
    return min(READ_BYTES, room // 2)
