"""The window hands out each record once, in order of its key, and knows where the gapless prefix ends."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Struct

from onward import codec
from onward.codec import KEY, VALUE, Codec
from onward.errors import BadRecord, Broken
from onward.log import Block
from onward.window import Chunk, Window, chunk_of, cut

TIME = "2025-06-15T15:06:40.000000Z"
ANY = Codec(Any)


def block(offset: int, *records: tuple[str | None, Any]) -> Block:
    """A block of keys and values."""
    rows = [(None, key, TIME, None, value) for key, value in records]
    return Block(offset, len(rows), codec.encode(rows), f"nonce{offset}")


def chunk(offset: int, keys: str) -> Chunk:
    """Records with these one-letter keys, `-` for none; the values are their offsets."""
    records = [(None if key == "-" else key, offset + at) for at, key in enumerate(keys)]
    return chunk_of([block(offset, *records)], offset, (), ANY)


def window(keys: str) -> Window:
    made = Window(0, ())
    made.add(chunk(0, keys), len(keys))
    return made


def taken(found: tuple[Chunk | None, list[Chunk]]) -> tuple[list[int], list[int]]:
    mine, behind = found
    return list(mine.offsets) if mine is not None else [], [offset for part in behind for offset in part.offsets]


# chunks


def test_blocks_are_one_chunk() -> None:
    blocks = [block(5, ("a", 5), ("b", 6)), block(7, (None, 7))]
    made = chunk_of(blocks, 5, (), ANY)
    assert list(made.offsets) == [5, 6, 7]
    assert [entry[VALUE] for entry in made.entries] == [5, 6, 7]
    assert [made.nonce(offset) for offset in made.offsets] == ["nonce5", "nonce5", "nonce7"]
    assert [ANY.decode_one(made.raw(offset))[VALUE] for offset in made.offsets] == [5, 6, 7]


def test_a_chunk_begins_in_the_middle_and_leaves_out_what_is_done() -> None:
    blocks = [block(0, *[("a", n) for n in range(6)]), block(6, *[("a", n) for n in range(6, 10)])]
    made = chunk_of(blocks, 2, [(0, 1), (3, 5), (7, 8), (20, 30)], ANY)
    assert list(made.offsets) == [2, 5, 6, 8, 9]
    assert [entry[VALUE] for entry in made.entries] == [2, 5, 6, 8, 9]
    assert [ANY.decode_one(made.raw(offset))[VALUE] for offset in made.offsets] == [2, 5, 6, 8, 9]


def test_a_chunk_may_be_empty() -> None:
    assert len(chunk_of([block(0, ("a", 0), ("a", 1))], 0, [(0, 2)], ANY)) == 0


class Cat(Struct):
    name: str


def test_records_that_cannot_be_read_stand_with_their_error() -> None:
    made = chunk_of([block(0, ("a", {"name": "Tom"}), ("b", 7), ("c", {"name": "Kit"}))], 0, (), Codec(Cat))
    assert [entry[VALUE] for entry in made.entries] == [Cat("Tom"), 7, Cat("Kit")]
    assert list(made.bad) == [1]
    assert isinstance(made.bad[1], BadRecord)
    part = made.part(range(1, 3))
    assert (list(part.offsets), list(part.bad)) == ([1, 2], [1])
    assert [entry[VALUE] for entry in made.fresh([1, 2], Codec(Cat)).entries] == [7, Cat("Kit")]


def test_what_a_handler_changed_is_decoded_anew() -> None:
    made = chunk_of([block(0, ("a", {"n": 1}), ("b", {"n": 2}))], 0, (), ANY)
    made.entries[1][VALUE]["n"] = "changed"
    assert made.fresh(range(2), ANY).entries[1][VALUE] == {"n": 2}
    assert made.entries[1][VALUE] == {"n": "changed"}


def test_a_block_that_holds_fewer_records_than_it_says_is_broken() -> None:
    with pytest.raises(Broken):
        chunk_of([block(0, ("a", 1))._replace(count=2)], 0, (), ANY)


# handing out


def test_at_most_so_many_are_taken_in_order() -> None:
    made = window("abc")
    assert taken(made.take(2, set(), set())) == ([0, 1], [])
    assert taken(made.take(2, set(), set())) == ([2], [])
    assert taken(made.take(2, set(), set())) == ([], [])


def test_keys_are_those_of_what_waits() -> None:
    made = window("aba-")
    assert made.keys == {"a", "b", None}
    made.take(10, {"b"}, set())
    assert made.keys == {"b"}


def test_busy_keys_wait_and_keep_their_order() -> None:
    made = window("abab-c")
    assert taken(made.take(10, {"a"}, set())) == ([1, 3, 4, 5], [])
    assert taken(made.take(10, {"a"}, set())) == ([], [])
    assert taken(made.take(10, set(), set())) == ([0, 2], [])


def test_what_has_an_older_parked_record_queues_behind_it() -> None:
    made = window("abab-")
    assert taken(made.take(10, set(), {"a"})) == ([1, 3, 4], [0, 2])
    assert made.pending == 0


def test_what_waits_for_a_busy_key_is_not_yet_behind() -> None:
    made = window("aab")
    assert taken(made.take(1, {"a"}, {"a"})) == ([2], [])


def test_one_of_each_key() -> None:
    made = window("aab-a--b")
    assert taken(made.take(10, set(), set(), one_per_key=True)) == ([0, 2, 3, 5, 6], [])
    assert taken(made.take(10, set(), set(), one_per_key=True)) == ([1, 7], [])
    assert taken(made.take(10, set(), set(), one_per_key=True)) == ([4], [])


def test_some_may_be_left_out() -> None:
    made = window("abacb")
    assert taken(made.take(1, set(), set(), skip=1)) == ([1], [])
    assert taken(made.take(10, set(), set(), skip=2)) == ([4], [])
    assert taken(made.take(10, set(), set(), skip=3)) == ([], [])
    assert taken(made.take(10, set(), set())) == ([0, 2, 3], [])


def test_what_is_given_back_comes_again_in_its_place() -> None:
    made = window("abcdef")
    first, _ = made.take(2, set(), set())
    second, _ = made.take(2, set(), set())
    assert first is not None and second is not None
    made.give_back(second)
    made.give_back(first.part([1]))
    found = [taken(made.take(10, set(), set()))[0] for _ in range(3)]
    assert found == [[1], [2, 3], [4, 5]]


def test_what_is_given_back_in_part_does_not_overtake() -> None:
    made = window("abab")
    theirs, _ = made.take(10, {"a"}, set())
    assert theirs is not None
    made.give_back(theirs)
    assert taken(made.take(10, set(), set())) == ([0, 1, 2, 3], [])


# next


def test_next_is_the_end_of_the_gapless_prefix() -> None:
    made = Window(5, [(2, 4), (7, 9), (12, 13)])
    assert (made.next, made.reach) == (5, 5)
    assert made.next_with([(5, 6)]) == 6
    assert made.next_with([(5, 7)]) == 9
    assert made.next_with([(6, 7)]) == 5
    made.finish([(5, 7)], 0, 0)
    assert made.next == 9
    made.finish([(9, 12)], 0, 0)
    assert made.next == 13


def test_what_was_done_up_to_next_is_the_beginning() -> None:
    assert Window(5, [(5, 9)]).next == 9


class Worked(RuleBasedStateMachine):
    """A lane in small: reads, hands out with busy and blocked keys, finishes and gives back, in any order."""

    @initialize(next_=st.integers(0, 5), done=st.lists(st.integers(0, 30), max_size=8))
    def begin(self, next_: int, done: list[int]) -> None:
        self.window = Window(next_, [(offset, offset + 1) for offset in done])
        self.done = set(range(next_)) | set(done)
        self.keys: dict[int, str | None] = {}
        self.flying: list[Chunk] = []
        self.blocked: set[str] = set()
        self.settled: list[int] = []

    @property
    def busy(self) -> set[str]:
        return {entry[KEY] for unit in self.flying for entry in unit.entries if entry[KEY] is not None}

    @rule(counts=st.lists(st.integers(1, 5), min_size=1, max_size=3), data=st.data())
    def read(self, counts: list[int], data: st.DataObject) -> None:
        start = at = self.window.reach
        back = data.draw(st.integers(0, min(2, start)))
        blocks = []
        at -= back  # a block may begin before where reading goes on
        for count in counts:
            keys = data.draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=count, max_size=count))
            blocks.append(block(at, *[(key, at + n) for n, key in enumerate(keys)]))
            self.keys.update({at + n: key for n, key in enumerate(keys) if at + n >= start})
            at += count
        if at > start:
            self.window.add(chunk_of(blocks, start, self.window.skip, ANY), at)

    @precondition(lambda self: len(self.flying) < 3)
    @rule(most=st.integers(1, 6), one_per_key=st.booleans(), skip=st.sampled_from([0, 0, 0, 1, 2]))
    def take(self, most: int, one_per_key: bool, skip: int) -> None:
        busy = self.busy
        unit, behind = self.window.take(most, busy, self.blocked, one_per_key=one_per_key, skip=skip)
        for part in behind:
            assert {entry[KEY] for entry in part.entries} <= self.blocked
            self.settle(part)
        if unit is None:
            return
        assert 1 <= len(unit) <= most
        assert list(unit.offsets) == sorted(unit.offsets)
        keys = [entry[KEY] for entry in unit.entries if entry[KEY] is not None]
        assert not set(keys) & (busy | self.blocked)
        assert not one_per_key or len(keys) == len(set(keys))
        assert [entry[VALUE] for entry in unit.entries] == list(unit.offsets)
        self.flying.append(unit)

    def settle(self, part: Chunk) -> None:
        for offset, entry in zip(part.offsets, part.entries, strict=True):
            assert entry[KEY] == self.keys[offset]
        self.settled += part.offsets
        self.done |= set(part.offsets)
        self.window.finish([(offset, offset + 1) for offset in part.offsets], len(part), part.size)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """All of a unit, or what came before an outage, and the rest is given back."""
        unit = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        done = data.draw(st.integers(0, len(unit)))
        if done:
            self.settle(unit.part(range(done)))
        self.window.give_back(unit.part(range(done, len(unit))))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def park(self, data: st.DataObject) -> None:
        """A record of a unit parks: its key is blocked from now on."""
        unit = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self.blocked |= {entry[KEY] for entry in unit.entries[:1] if entry[KEY] is not None}
        self.settle(unit)

    @rule()
    def free(self) -> None:
        self.blocked.clear()

    @invariant()
    def each_key_is_in_order(self) -> None:
        for key in ("a", "b", "c"):
            mine = [offset for offset in self.settled if self.keys[offset] == key]
            assert mine == sorted(mine)
        assert len(self.settled) == len(set(self.settled))

    @invariant()
    def next_is_the_first_that_is_not_done(self) -> None:
        next_ = self.window.next
        assert set(range(next_)) <= self.done and next_ not in self.done
        assert self.window.next_with([(next_, next_ + 1)]) == min(set(range(next_ + 1, next_ + 99)) - self.done)

    @invariant()
    def what_is_in_hand_is_counted(self) -> None:
        known = set(self.keys) - self.done
        assert self.window.held == len(known)
        assert self.window.pending == len(known) - sum(len(unit) for unit in self.flying)
        assert self.window.size >= 0
        assert self.window.held or self.window.size == 0

    def teardown(self) -> None:
        if not hasattr(self, "window"):
            return
        while self.flying:
            self.settle(self.flying.pop(0))
        while (unit := self.window.take(3, set(), set())[0]) is not None:
            self.settle(unit)
        self.each_key_is_in_order()
        assert set(self.keys) <= self.done
        assert self.window.size == self.window.held == 0


TestWorked = Worked.TestCase
TestWorked.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(st.lists(st.sampled_from("ab-"), min_size=1, max_size=12), st.integers(1, 4), st.integers(0, 3))
def test_leaving_out_counts_only_what_could_be_taken(keys: list[str], most: int, skip: int) -> None:
    made = window("".join(keys))
    free: list[int] = []
    held: set[str] = set()
    for offset, key in enumerate(keys):
        if len(free) < skip + 1 and (key == "-" or key not in held):
            free.append(offset)
            held.add(key)
    found, _ = taken(made.take(most, set(), set(), skip=skip))
    if len(free) == skip + 1:
        assert found[0] == free[-1]
    else:
        assert found == []


def test_blocks_are_cut_to_what_there_is_room_for() -> None:
    def block(offset: int, *sizes: int) -> Block:
        rows = [(None, None, "2025-06-15T15:06:40Z", None, "x" * size) for size in sizes]
        return Block(offset, len(sizes), codec.encode(rows), f"n{offset}")

    reader = codec.Codec(Any)
    blocks = [block(0, *[100] * 10), block(10, 5_000, 10, 10), block(13, 10)]
    assert cut(blocks, 0, 10_000) == blocks
    assert cut(blocks, 0, 3_000) == blocks[:1]
    for size in (1, 200, 300, 600, 2_000):
        found: list[int] = []
        at = 0
        while at < 14:
            part = cut([block for block in blocks if block.offset + block.count > at], at, size)
            chunk = chunk_of(part, at, (), reader)
            assert sum(len(block.entries) for block in part) <= max(size + 2, 6_000)
            assert [chunk.nonce(offset) for offset in chunk.offsets] == [
                "n0" if offset < 10 else "n10" if offset < 13 else "n13" for offset in chunk.offsets
            ]
            for offset in chunk.offsets:
                assert reader.decode_one(chunk.raw(offset)) == chunk.entries[list(chunk.offsets).index(offset)]
            found += chunk.offsets
            at = part[-1].offset + part[-1].count
        assert found == list(range(14))
