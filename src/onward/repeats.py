"""Repeats: which records of a unit have come before, as one stage and partition knows it.

What the store does not know yet, as it is in hand or on its way there, is noted here, before the store is asked. So a
mark is in one of the two at every moment, and of two records with the same one, one goes first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from onward.call import Called, Unit
from onward.codec import VALUE
from onward.commit import Mark
from onward.draft import Draft
from onward.errors import BadRecord
from onward.failure import message_of
from onward.stage import Stage
from onward.topic import key_function, key_text

_LONGEST = 64


class Repeats:
    """Of one lane of a stage with `dedupe=`.

    Args:
        seen: asks the store for the offsets of those of these marks that were made since an instant.
    """

    def __init__(self, stage: Stage, seen: Callable[[Sequence[str], float], Awaitable[Mapping[str, int]]]) -> None:
        assert stage.dedupe is not None
        self._by = key_function(stage.topic.type, stage.dedupe.by)
        self._seconds = stage.dedupe_seconds
        self._most = stage.dedupe.most
        self._seen = seen
        self._here: dict[str, int] = {}

    async def find(self, unit: Unit, now: float) -> None:
        """Notes in the unit which of its records are repeats, and the marks of those that are the first."""
        fresh: dict[str, int] = {}
        for index, offset in enumerate(unit.chunk.offsets):
            mark = None if offset in unit.chunk.bad else self._mark(unit, index)
            if mark is None:
                continue
            if self._here.setdefault(mark, offset) != offset:
                unit.repeats.add(index)
            else:
                fresh[mark] = index
        for mark, offset in (await self._seen(list(fresh), now - self._seconds)).items():
            index = fresh.pop(mark)
            self._forget(mark, unit.chunk.offsets[index])
            if offset != unit.chunk.offsets[index]:
                unit.repeats.add(index)
        unit.marks = {index: mark for mark, index in fresh.items()}

    def settled(self, unit: Unit, called: Called, draft: Draft, now: float) -> None:
        """Adds to the draft the marks of what it finishes or parks; lets go of those of what was not called."""
        left = {*called.rest, *called.behind}
        for index, mark in unit.marks.items():
            offset = unit.chunk.offsets[index]
            if index in left:
                self._forget(mark, offset)
            else:
                draft.marks.append(Mark(mark, offset, now))
        if draft.marks:
            draft.forget = (unit.chunk.offsets[-1] - self._most, now - self._seconds)

    def kept(self, marks: Sequence[Mark]) -> None:
        """The store has them now."""
        for mark in marks:
            self._forget(mark.text, mark.offset)

    def _forget(self, mark: str, offset: int) -> None:
        if self._here.get(mark) == offset:
            del self._here[mark]

    def _mark(self, unit: Unit, index: int) -> str | None:
        assert self._by is not None
        try:
            text = key_text(self._by(unit.chunk.entries[index][VALUE]))
        except Exception as error:
            unit.chunk.bad[unit.chunk.offsets[index]] = BadRecord(
                f"dedupe= cannot tell whether it is a repeat: {type(error).__name__}: {message_of(error)}"
            )
            return None
        if text is None or len(text) <= _LONGEST:
            return text
        return f"{text[:16]}#{hashlib.sha256(text.encode()).hexdigest()}"
