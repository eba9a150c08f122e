"""Following one record through a store in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from onward.codec import may_hold
from onward.logs.memory_store import MemoryStore, StageRows, Written
from onward.span import holds
from onward.survey import Fate, Retained, Spot, Stored


class MemoryTrail:
    """See `onward.log.Trail` for what each method promises."""

    store: MemoryStore

    async def stored(self, topic: str, partition: int, offset: int) -> Stored | None:
        rows = self.store.topics.get(topic)
        for written in rows.parts[partition] if rows is not None and partition < len(rows.parts) else ():
            if written.block.offset <= offset < written.block.offset + written.block.count:
                return written.stored(topic, partition)
        return None

    async def retained(self) -> Mapping[tuple[str, int], Retained]:
        return {
            (name, partition): retained
            for name, rows in self.store.topics.items()
            for partition, retained in rows.retained.items()
        }

    async def fate(self, stage: str, partition: int, offset: int) -> Fate:
        rows = self.store.stages.get((stage, partition)) or StageRows()
        parked = rows.parked.get(offset)
        at = next((at for at, (first, end) in rows.finished if first <= offset < end), None) if parked is None else None
        store, where = self.store, (stage, partition)
        return Fate(
            done=at is not None or (parked is None and rows.begins <= offset < rows.next),
            at=at,
            dropped=next((reason for reason, (first, end) in rows.drops if first <= offset < end), None),
            parked=parked,
            attempts=list(rows.attempts.get(offset, ())),
            requests=[
                (request, store.answered[id_], store.answers[id_])
                for id_, offsets in sorted(store.carried.items())
                if (request := store.requests.get(id_))
                and (request.stage, request.partition) == where
                and holds(offsets, offset)
            ],
        )

    async def made(self, stage: str, partition: int, offset: int) -> Sequence[Stored]:
        found = []
        for topic, at, written in self._written():
            if written.maker == stage and written.origin is not None and written.origin[0] == partition:
                first, end = written.origin[1]
                if first <= offset < end:
                    found.append((written.place, written.stored(topic, at)))
        return [stored for _, stored in sorted(found, key=lambda one: one[0])]

    async def holding(self, key: str, before: int | None) -> tuple[Sequence[Spot], int | None]:
        found = [
            (written.place, Spot(topic, partition, written.block.offset))
            for topic, partition, written in self._written()
            if may_hold(written.keys, key) and (before is None or written.place < before)
        ]
        return [spot for _, spot in sorted(found, reverse=True)], None

    def _written(self) -> Iterator[tuple[str, int, Written]]:
        for topic, rows in self.store.topics.items():
            for partition, part in enumerate(rows.parts):
                for written in part:
                    yield topic, partition, written
