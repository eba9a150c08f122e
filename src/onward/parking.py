"""The parked records of one stage and partition: who blocks whom, and who is due. Pure bookkeeping.

Of each key the oldest parked record is the only one that may be tried, and always may when it is due; all later
ones of that key are `behind` it. That is a fact that follows from the rows, not a message that could be lost.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from onward.log import Parked, Span
from onward.span import holds, length
from onward.units import instant_text

AT_HAND = 1_000_000
"""The most bytes of copies that are kept, so that what is tried again soon need not be read from the store."""


class Parking:
    """Of one stage and partition. `blocked` are the keys that have something parked.

    A row has its copy (`entry`) as long as it came with it and there is room; else it lies in the store only.
    """

    def __init__(
        self, rows: Iterable[Parked], *, ordered: bool, dead_hold: bool, room: Callable[[], int] = lambda: AT_HAND
    ) -> None:
        self._room = room
        self._ordered = ordered
        self._dead_hold = dead_hold
        self.rows: dict[int, Parked] = {}
        self.blocked: dict[str, list[int]] = {}
        self._due: list[tuple[float, int]] = []
        self._size = 0
        for row in rows:
            self.put(row)

    def __len__(self) -> int:
        return len(self.rows)

    def put(self, row: Parked) -> None:
        """Notes a row, new or changed."""
        before = self.rows.get(row.offset)
        known = before is not None
        self._size -= len(before.entry) if before is not None else 0
        if row.entry and self._size + len(row.entry) > min(AT_HAND, self._room()):
            row = msgspec.structs.replace(row, entry=b"")
        self._size += len(row.entry)
        self.rows[row.offset] = row
        if self._lines_up(row):
            line = self.blocked.setdefault(row.key, [])  # type: ignore[arg-type]
            if not known or row.offset not in line:
                insort(line, row.offset)
        elif known and row.key in self.blocked:
            self._leave_line(row.key, row.offset)
        if row.state == "retrying":
            self._due_at(row)

    def remove(self, offset: int) -> None:
        """Notes that a row is gone."""
        row = self.rows.pop(offset)
        self._size -= len(row.entry)
        if row.key is not None and row.key in self.blocked:
            self._leave_line(row.key, offset)

    def promotion(self, key: str | None, now: float) -> tuple[int, float] | None:
        """The oldest of the key, if it stands as `behind` and has nothing before it any more; it is noted as due."""
        line = self.blocked.get(key) if key is not None else None
        if not line or self.rows[line[0]].state != "behind":
            return None
        self.put(msgspec.structs.replace(self.rows[line[0]], state="retrying", due=now, since=now))
        return line[0], now

    def stops(self, key: str | None) -> bool:
        """Whether records of the key stay until somebody does something: the first of them is dead, or waits."""
        line = self.blocked.get(key) if key is not None else None
        return bool(line) and self.rows[line[0]].state in ("dead", "waiting")

    def next_due(self) -> float | None:
        """When the next record may be tried; None while nothing waits for a time."""
        while self._due:
            due, offset = self._due[0]
            row = self.rows.get(offset)
            if row is not None and row.state == "retrying" and row.due == due and self._is_first(row):
                return due
            heapq.heappop(self._due)
        return None

    def take(self, now: float, most: int, flying: Collection[int]) -> list[list[int]]:
        """Groups of offsets to be tried now, ascending within a group: a due record with those that queue behind
        it, or the members of a batch. None of `flying` is among them."""
        groups: list[list[int]] = []
        taken: set[int] = set(flying)
        later: list[tuple[float, int]] = []
        while most > 0 and (due := self.next_due()) is not None and due <= now:
            entry = heapq.heappop(self._due)
            row = self.rows[entry[1]]
            later.append(entry)
            if row.offset in taken:
                continue
            group = self._with(row, most, taken)
            taken.update(group)
            groups.append(group)
            most -= len(group)
        # They stay due until they are removed or put again: whoever took them may have to give them back.
        for entry in later:
            heapq.heappush(self._due, entry)
        return groups

    def _with(self, row: Parked, most: int, taken: set[int]) -> list[int]:
        if row.batch is not None:
            return sorted(
                offset
                for offset, other in self.rows.items()
                if other.batch == row.batch and other.state == "retrying" and offset not in taken
            )
        if row.key is None or row.key not in self.blocked:
            return [row.offset]
        line = self.blocked[row.key]
        group = [line[0]]
        for offset in line[1:most]:
            if self.rows[offset].state != "behind" or offset in taken:
                break
            group.append(offset)
        return group

    def _due_at(self, row: Parked) -> None:
        """Notes when a row may be tried; it is forgotten while another of its key goes first."""
        heapq.heappush(self._due, (row.due, row.offset))

    def _lines_up(self, row: Parked) -> bool:
        return self._ordered and row.key is not None and (self._dead_hold or row.state != "dead")

    def _is_first(self, row: Parked) -> bool:
        return not self._lines_up(row) or self.blocked[row.key][0] == row.offset  # type: ignore[index]

    def _leave_line(self, key: str, offset: int) -> None:
        line = self.blocked[key]
        if offset in line:
            line.remove(offset)
        if not line:
            del self.blocked[key]
        elif self.rows[line[0]].state == "retrying":
            self._due_at(self.rows[line[0]])

    def matching(self, match: dict[str, object], as_of: Mapping[int, Parked] | None = None) -> Sequence[Parked]:
        """Rows that a request means: by `offset`, `key`, `state`, part of the `error` or of the `reason`; and where it
        says what was `seen`, only those that are still so, or were at `as_of`."""
        seen = _seen(match)
        if seen is None:
            return [row for row in self.rows.values() if _matches(row, match)]
        then = self.rows if as_of is None else as_of
        return [
            self.rows[offset]
            for offset, row in then.items()
            if offset in self.rows and holds(seen.get(looks(row), ()), offset) and _matches(row, match)
        ]


def looks(row: Parked) -> str:
    """What a row is to who looks at it: its state, and if that is for a person since when. One that has come to wait,
    or has died, anew is another one: what it waits for nobody has seen."""
    return f"{row.state} {instant_text(row.due)}" if row.state in ("waiting", "dead") else row.state


def named(match: Mapping[str, object]) -> int:
    """How many records a request names by what was seen; 0 where it names none."""
    return sum(length(spans) for spans in (_seen(match) or {}).values())


def _seen(match: Mapping[str, object]) -> dict[str, list[Span]] | None:
    """The offsets that were seen, by what they looked like: as `{"behind": [[first, end], ...]}`."""
    found = match.get("seen")
    if not isinstance(found, dict):
        return None
    return {look: [(first, end) for first, end in spans] for look, spans in found.items()}


def _matches(row: Parked, match: dict[str, object]) -> bool:
    if "offset" in match and row.offset != match["offset"]:
        return False
    if "key" in match and row.key != match["key"]:
        return False
    if "state" in match and row.state != match["state"]:
        return False
    if "error" in match and str(match["error"]) not in row.error:
        return False
    return "reason" not in match or str(match["reason"]) in row.reason
