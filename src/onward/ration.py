"""A ration: how many records a stage may take on, where a run is limited."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from onward.log import Parked
from onward.window import Chunk

NEVER = float("inf")


class Ration:
    """Of one stage, over all its partitions here. What was taken on may be tried as often as it takes."""

    def __init__(self, most: int | None) -> None:
        self._left = most

    @property
    def over(self) -> bool:
        """Nothing more may be taken on."""
        return self._left == 0

    def read(self, chunk: Chunk, reach: int) -> tuple[Chunk, int]:
        """As much of what was read as may be taken on, and where reading would go on after that."""
        if self._left is None or len(chunk) <= self._left:
            self._take(len(chunk))
            return chunk, reach
        chunk = chunk.part(range(self._left))
        self._left = 0
        return chunk, chunk.offsets[-1] + 1 if len(chunk) else reach

    def parked(self, rows: Sequence[Parked], horizon: float) -> Sequence[Parked]:
        """The rows, where those that would be tried up to an instant and may not be taken on are never due. A
        record goes with all that queue behind it, as they follow at once."""
        if self._left is None:
            return rows
        behind: dict[str, int] = {}
        for row in rows:
            if row.state == "behind" and row.key is not None:
                behind[row.key] = behind.get(row.key, 0) + 1
        return [self._put_off(row, behind) if row.state == "retrying" and row.due <= horizon else row for row in rows]

    def _put_off(self, row: Parked, behind: dict[str, int]) -> Parked:
        count = 1 + behind.get(row.key or "", 0)
        if self._left is not None and count > self._left:
            return replace(row, due=NEVER)
        self._take(count)
        return row

    def _take(self, count: int) -> None:
        if self._left is not None:
            self._left -= count
