"""The window of work of one stage and partition: what was read and is not finished, and where `next` stands.

Work may finish out of order: `next` is the end of the gapless prefix of what is finished or parked, `ahead` holds
what is finished beyond it. Pure bookkeeping, without input or output.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence, Set
from operator import itemgetter
from typing import Any

import msgspec

from onward import codec
from onward.codec import KEY, Codec, Entry
from onward.errors import BadRecord, Broken
from onward.log import Block, Parked, Span
from onward.span import holds, merged

_KEY_OF = itemgetter(KEY)


class Chunk:
    """Records that were read together: their offsets, their entries, and the blocks that they came from."""

    __slots__ = ("_keys", "_last", "_raw", "bad", "blocks", "entries", "offsets", "size")

    def __init__(
        self,
        offsets: Sequence[int],
        entries: list[Entry],
        blocks: Sequence[Block],
        size: int,
        bad: dict[int, BadRecord] | None = None,
    ) -> None:
        self.offsets = offsets
        self.entries = entries
        self.blocks = blocks
        self.size = size
        self.bad = bad or {}
        self._raw: dict[int, list[msgspec.Raw]] = {}
        self._keys: list[str | None] | None = None
        self._last: dict[str | None, int] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def keys(self) -> list[str | None]:
        """The key of each record. To look at a thousand keys is to fetch each from memory, so it is done once."""
        if self._keys is None:
            self._keys = list(map(_KEY_OF, self.entries))
        return self._keys

    def after(self, index: int) -> Sequence[int]:
        """The indices of later records that have the key of this one."""
        if self._last is None:
            self._last = dict(zip(self.keys, range(len(self)), strict=True))
        key = self.keys[index]
        last = self._last[key]
        if key is None or last == index:
            return ()
        return [i for i in range(index + 1, last + 1) if self.keys[i] == key]

    def raw(self, offset: int) -> bytes:
        """The entry as it is stored, untouched by any handler."""
        block = self._block(offset)
        if block.offset not in self._raw:
            self._raw[block.offset] = codec.split(block.entries)
        return bytes(self._raw[block.offset][offset - block.offset])

    def nonce(self, offset: int) -> str:
        return self._block(offset).nonce

    def part(self, indices: Sequence[int]) -> Chunk:
        """Some of its records, by index, ascending."""
        if isinstance(indices, range):
            offsets, entries = self.offsets[indices.start : indices.stop], self.entries[indices.start : indices.stop]
        elif len(indices) > 1:
            pick = itemgetter(*indices)
            # A list gives its items at a fraction of what a range takes.
            offsets, entries = pick(list(self.offsets)), list(pick(self.entries))
        else:
            offsets, entries = [self.offsets[i] for i in indices], [self.entries[i] for i in indices]
        size = self.size * len(entries) // max(len(self.entries), 1)
        return Chunk(offsets, entries, self.blocks, size, self.bad)

    def fresh(self, indices: Sequence[int], reader: Codec) -> Chunk:
        """Some of its records decoded anew, as a handler may have changed the values."""
        made = self.part(indices)
        made.entries = [
            entry if offset in self.bad else reader.decode_one(self.raw(offset))
            for offset, entry in zip(made.offsets, made.entries, strict=True)
        ]
        return made

    def _block(self, offset: int) -> Block:
        if len(self.blocks) == 1:
            return self.blocks[0]
        return self.blocks[bisect_right(self.blocks, offset, key=lambda block: block.offset) - 1]


def chunk_of(blocks: Sequence[Block], start: int, skip: Sequence[Span], reader: Codec) -> Chunk:
    """The records of adjacent blocks from `start` on, without those that are finished or parked already."""
    first, end = blocks[0].offset, blocks[-1].offset + blocks[-1].count
    stored = codec.joined(blocks)
    bad: dict[int, BadRecord] = {}
    try:
        entries = reader.decode(stored)
    except BadRecord:
        raws = codec.split(stored)
        entries, bad = _one_by_one(raws, range(first, first + len(raws)), reader)
    if len(entries) != end - first:
        raise Broken(f"offsets {first} to {end} hold {len(entries)} records; run `onward audit`")
    chunk = Chunk(range(first, end), entries, blocks, len(stored), bad)
    if start > first:
        chunk = chunk.part(range(start - first, end - first))
    if skip and skip[0][0] < end and skip[-1][1] > start:
        chunk = chunk.part([i for i, offset in enumerate(chunk.offsets) if not holds(skip, offset)])
    return chunk


def cut(blocks: Sequence[Block], start: int, size: int) -> Sequence[Block]:
    """Of adjacent blocks from the record `start` on what fits into `size` bytes: whole blocks, else the beginning of
    the first, which is at least one record."""
    total = 0
    for number, block in enumerate(blocks):
        total += len(block.entries)
        if total > size and number:
            return blocks[:number]
        if total > size:
            return [_beginning(block, start - block.offset, size)]
    return blocks


def _beginning(block: Block, skip: int, size: int) -> Block:
    raws, total = codec.split(block.entries), 0
    end = skip
    while end < len(raws) and (end == skip or total + len(memoryview(raws[end])) <= size):
        total += len(memoryview(raws[end]))
        end += 1
    entries = b"[" + b",".join([bytes(raw) for raw in raws[skip:end]]) + b"]"
    return Block(block.offset + skip, end - skip, entries, block.nonce)


def chunk_of_copies(copies: Sequence[Parked], reader: Codec) -> Chunk:
    """Records that were parked, from their copies."""
    offsets = [copy.offset for copy in copies]
    blocks = [Block(copy.offset, 1, b"[" + copy.entry + b"]", copy.nonce) for copy in copies]
    bad: dict[int, BadRecord] = {}
    try:
        entries = reader.decode(codec.joined(blocks))
    except BadRecord:
        entries, bad = _one_by_one([copy.entry for copy in copies], offsets, reader)
    return Chunk(offsets, entries, blocks, 0, bad)


def _one_by_one(
    raws: Sequence[bytes | msgspec.Raw], offsets: Sequence[int], reader: Codec
) -> tuple[list[Entry], dict[int, BadRecord]]:
    """Decodes what can be; the rest stands with its raw value and an error."""
    anything = Codec(Any)
    entries: list[Entry] = []
    bad: dict[int, BadRecord] = {}
    for offset, raw in zip(offsets, raws, strict=True):
        try:
            entries.append(reader.decode_one(raw))
        except BadRecord as error:
            entries.append(anything.decode_one(raw))
            bad[offset] = error
    return entries, bad


def _together(chunks: Sequence[Chunk]) -> Chunk:
    """Chunks whose offsets lie among each other as one, so that no record overtakes another of its key."""
    if len(chunks) == 1:
        return chunks[0]
    records = sorted(
        ((offset, entry) for chunk in chunks for offset, entry in zip(chunk.offsets, chunk.entries, strict=True)),
        key=lambda record: record[0],
    )
    blocks = {block.offset: block for chunk in chunks for block in chunk.blocks}
    bad = {offset: error for chunk in chunks for offset, error in chunk.bad.items()}
    return Chunk(
        [offset for offset, _ in records],
        [entry for _, entry in records],
        [blocks[offset] for offset in sorted(blocks)],
        sum(chunk.size for chunk in chunks),
        bad,
    )


class Window:
    """Of one stage and partition. `reach` is where reading goes on; `held` and `size` are what it has in hand."""

    def __init__(self, next_: int, done: Iterable[Span]) -> None:
        self.next = next_
        self.skip = merged(span for span in done if span[1] > next_)
        self.reach = next_
        self.held = 0
        self.size = 0
        self._pending: deque[Chunk] = deque()
        self._ahead: list[Span] = []
        self.finish(self.skip, 0, 0)

    @property
    def pending(self) -> int:
        """How many records wait to be handed out."""
        return sum(len(chunk) for chunk in self._pending)

    @property
    def keys(self) -> set[str | None]:
        """The keys of these."""
        return {key for chunk in self._pending for key in chunk.keys}

    def add(self, chunk: Chunk, reach: int) -> None:
        """Takes what was read; reading goes on at `reach`."""
        self.reach = reach
        if len(chunk):
            self._pending.append(chunk)
            self.held += len(chunk)
            self.size += chunk.size

    def give_back(self, chunk: Chunk) -> None:
        """Takes back what was handed out and not done, to its place in the order."""
        if not len(chunk):
            return
        before = [other for other in self._pending if other.offsets[-1] < chunk.offsets[0]]
        after = [other for other in self._pending if other.offsets[0] > chunk.offsets[-1]]
        among = list(self._pending)[len(before) : len(self._pending) - len(after)]
        self._pending = deque([*before, _together([chunk, *among]), *after])

    def gather(self, most: int) -> None:
        """Brings together what was read in pieces, so that so many can be taken at once."""
        pieces: list[Chunk] = []
        while self._pending and sum(map(len, pieces)) < most:
            pieces.append(self._pending.popleft())
        if pieces:
            self._pending.appendleft(_together(pieces))

    def take(
        self,
        most: int,
        busy: Set[str],
        blocked: Set[str],
        *,
        one_per_key: bool = False,
        skip: int = 0,
    ) -> tuple[Chunk | None, list[Chunk]]:
        """At most `most` records that may be worked on now, and those that queue behind a parked one of their key.

        A record whose key is busy stays, and so do later ones of that key. `skip` leaves out that many that could
        be taken, with what follows of their keys.
        """
        if not self._pending:
            return None, []
        if not (one_per_key or skip) and self._untouched(busy, blocked):
            chunk = self._pending.popleft()
            if len(chunk) > most:
                self._pending.appendleft(chunk.part(range(most, len(chunk))))
                chunk = chunk.part(range(most))
            return chunk, []
        return self._pick(most, busy, blocked, one_per_key, skip)

    def _untouched(self, busy: Set[str], blocked: Set[str]) -> bool:
        """Whether no record of the first chunk has such a key."""
        return all(others.isdisjoint(self._pending[0].keys) for others in (busy, blocked) if others)

    def _pick(
        self, most: int, busy: Set[str], blocked: Set[str], one_per_key: bool, skip: int
    ) -> tuple[Chunk | None, list[Chunk]]:
        behind: list[Chunk] = []
        left: deque[Chunk] = deque()
        taken: Chunk | None = None
        waiting: set[str] = set()
        while self._pending and taken is None:
            chunk = self._pending.popleft()
            mine, theirs, stay = [], [], []
            for index, entry in enumerate(chunk.entries):
                key = entry[KEY]
                if key is not None and (key in busy or key in waiting):
                    stay.append(index)
                elif key is not None and key in blocked:
                    theirs.append(index)
                elif skip and not mine:
                    skip -= 1
                    stay.append(index)
                    if key is not None:
                        waiting.add(key)
                elif len(mine) < most:
                    mine.append(index)
                    if one_per_key and key is not None:
                        waiting.add(key)
                else:
                    stay.append(index)
            if mine:
                taken = chunk if len(mine) == len(chunk) else chunk.part(mine)
            if theirs:
                behind.append(chunk.part(theirs))
            if stay:
                left.append(chunk.part(stay))
                waiting.update(key for i in stay if (key := chunk.entries[i][KEY]) is not None)
        self._pending.extendleft(reversed(left))
        return taken, behind

    def finish(self, spans: Iterable[Span], records: int, size: int) -> None:
        """Notes offsets as finished or parked; `records` and `size` are what leaves the hand."""
        self.held -= records
        # Sizes of parts are rounded down; what that leaves over goes when nothing is in hand.
        self.size = self.size - size if self.held else 0
        new = [(max(first, self.next), end) for first, end in spans if end > self.next]
        if not new:
            return
        if len(new) == 1 and not self._ahead and new[0][0] == self.next:
            self.next = new[0][1]
            return
        self._ahead = merged([*self._ahead, *new])
        if self._ahead[0][0] <= self.next:
            self.next = self._ahead.pop(0)[1]

    def next_with(self, spans: Iterable[Span]) -> int:
        """Where `next` would stand if these were finished too."""
        next_ = self.next
        for first, end in merged([*self._ahead, *spans]):
            if first > next_:
                break
            next_ = max(next_, end)
        return next_
