"""Of each key the oldest parked record may be tried, and always may when it is due."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from onward.commit import STATES
from onward.log import Parked, State
from onward.parked import seen
from onward.parking import AT_HAND, Parking, named


def row(offset: int, key: str | None = "a", state: State = "retrying", due: float = 0.0, **more: Any) -> Parked:
    return Parked(offset=offset, key=key, state=state, due=due, attempts=1, since=0.0, **more)


def parking(*rows: Parked, ordered: bool = True, dead_hold: bool = True) -> Parking:
    return Parking(rows, ordered=ordered, dead_hold=dead_hold)


def test_the_oldest_of_a_key_is_tried_with_those_behind_it() -> None:
    made = parking(row(3, "a", "behind"), row(1, "a", due=5.0), row(2, "b", due=7.0), row(4, "a", "behind"))
    assert made.next_due() == 5.0
    assert made.take(4.9, 10, ()) == []
    assert made.take(5.0, 10, ()) == [[1, 3, 4]]
    assert made.take(7.0, 10, ()) == [[1, 3, 4], [2]]
    assert made.take(7.0, 2, ()) == [[1, 3]]
    assert made.take(7.0, 10, {1, 3, 4}) == [[2]]
    assert made.take(7.0, 10, ()) == [[1, 3, 4], [2]]


def test_what_is_behind_a_dead_or_waiting_record_is_not_tried() -> None:
    for state in ("dead", "waiting", "running"):
        made = parking(row(1, "a", state), row(2, "a", "behind"))
        assert made.next_due() is None
        assert made.take(9.0, 10, ()) == []
        assert set(made.blocked) == {"a"}


def test_a_key_stops_while_its_oldest_record_is_for_somebody_to_see_to() -> None:
    made = parking(
        row(1, "a", "waiting"), row(2, "a", "behind"), row(3, "b"), row(4, "c", "running"), row(5, None, "dead")
    )
    assert [key for key in ("a", "b", "c", "d", None) if made.stops(key)] == ["a"]
    made.put(row(3, "b", "dead"))
    made.remove(1)
    assert [key for key in ("a", "b", "c", "d", None) if made.stops(key)] == ["b"]
    assert not parking(row(1, "a", "dead"), dead_hold=False).stops("a")


def test_a_dead_record_may_let_others_pass() -> None:
    made = parking(row(1, "a", "dead"), row(2, "a", "behind"), dead_hold=False)
    assert made.blocked == {"a": [2]}
    assert made.promotion("a", 5.0) == (2, 5.0)
    assert made.promotion("a", 6.0) is None
    assert made.take(5.0, 10, ()) == [[2]]


def test_a_dead_record_that_is_tried_again_goes_first_and_holds_nobody_up_for_ever() -> None:
    made = parking(row(1, "a", "dead"), row(2, "a", due=3.0), dead_hold=False)
    made.put(row(1, "a", "retrying", due=5.0))
    assert made.next_due() == 5.0
    assert made.take(5.0, 10, ()) == [[1]]
    made.remove(1)
    assert made.next_due() == 3.0
    assert made.take(5.0, 10, ()) == [[2]]


def test_when_the_oldest_is_gone_the_next_is_promoted() -> None:
    made = parking(row(1, "a"), row(2, "a", "behind"), row(3, "a", "behind"))
    assert made.promotion("a", 5.0) is None
    made.remove(1)
    assert made.next_due() is None
    assert made.promotion("a", 5.0) == (2, 5.0)
    assert made.take(5.0, 10, ()) == [[2, 3]]
    made.remove(2)
    made.remove(3)
    assert (made.promotion("a", 6.0), made.blocked, len(made)) == (None, {}, 0)


def test_records_without_a_key_hold_nobody_up() -> None:
    made = parking(row(1, None, "dead"), row(2, None, due=1.0), row(3, None, due=1.0))
    assert made.blocked == {}
    assert made.take(1.0, 10, ()) == [[2], [3]]
    assert made.promotion(None, 1.0) is None


def test_where_keys_do_not_matter_nobody_waits() -> None:
    made = parking(row(1, "a", "dead"), row(2, "a"), row(3, "a"), ordered=False)
    assert made.blocked == {}
    assert made.take(0.0, 10, ()) == [[2], [3]]


def test_a_batch_is_tried_together() -> None:
    made = parking(
        row(1, "a", batch="1-3"), row(2, "b", batch="1-3"), row(3, "c", "dead", batch="1-3"), row(4, "d", due=-1.0)
    )
    assert made.take(0.0, 10, ()) == [[4], [1, 2]]
    assert made.take(0.0, 10, {1}) == [[4], [2]]


def test_a_row_that_is_put_again_replaces_the_other() -> None:
    made = parking(row(1, "a", due=5.0))
    made.put(row(1, "a", due=9.0))
    assert made.next_due() == 9.0
    made.put(row(1, "a", "dead"))
    assert made.next_due() is None
    assert len(made) == 1


def test_copies_are_kept_as_long_as_there_is_room() -> None:
    most = b"x" * AT_HAND
    made = parking(row(1, entry=b"[1]"), row(2, entry=most))
    assert (made.rows[1].entry, made.rows[2].entry) == (b"[1]", b"")
    made.put(row(1, "a", "dead"))
    made.put(row(2, entry=most))
    assert (made.rows[1].entry, made.rows[2].entry) == (b"", most)
    made.remove(2)
    made.put(row(1, entry=most))
    assert made.rows[1].entry == most


@pytest.mark.parametrize(
    ("match", "offsets"),
    [
        ({}, [1, 2, 3]),
        ({"offset": 2}, [2]),
        ({"key": "a"}, [1, 3]),
        ({"state": "dead"}, [2, 3]),
        ({"error": "Value"}, [1]),
        ({"reason": "later"}, [3]),
        ({"key": "a", "state": "dead"}, [3]),
        ({"key": "z"}, []),
    ],
)
def test_requests_mean_rows(match: dict[str, object], offsets: list[int]) -> None:
    made = parking(
        row(1, "a", error="ValueError: no"), row(2, "b", "dead"), row(3, "a", "dead", reason="not now, later")
    )
    assert [found.offset for found in made.matching(match)] == offsets


def test_a_request_means_rows_as_they_were_seen() -> None:
    rows = [row(1, "a", "dead", due=5.0), row(2, "a", "behind"), row(3, "b", due=7.0), row(4, "c", "waiting", due=6.0)]
    made = parking(*rows)
    match = seen(rows)
    assert named(match) == 4 and named({}) == 0
    assert [found.offset for found in made.matching(match)] == [1, 2, 3, 4]
    assert [found.offset for found in made.matching({**match, "key": "a"})] == [1, 2]
    made.put(row(5, "a", "behind"))  # parked after it was looked
    made.put(row(3, "b", due=9.0))  # tried again meanwhile, and still to be tried
    assert [found.offset for found in made.matching(match)] == [1, 2, 3, 4]
    made.put(row(4, "c", "waiting", due=8.0))  # waits for something else now
    made.put(row(1, "a", due=9.0))
    assert [found.offset for found in made.matching(match)] == [2, 3]
    as_of = {one.offset: one for one in rows}
    assert [found.offset for found in made.matching(match, as_of)] == [1, 2, 3, 4]
    made.remove(2)
    assert [found.offset for found in made.matching(match, as_of)] == [1, 3, 4]


class Parked_(RuleBasedStateMachine):
    """Rows come, change and go in any way; against what follows from the rows alone."""

    @initialize(ordered=st.booleans(), dead_hold=st.booleans())
    def begin(self, ordered: bool, dead_hold: bool) -> None:
        self.ordered, self.dead_hold = ordered, dead_hold
        self.parking = Parking((), ordered=ordered, dead_hold=dead_hold)
        self.rows: dict[int, Parked] = {}

    @rule(
        offset=st.integers(0, 5),
        key=st.sampled_from(["a", "a", "b", None]),
        state=st.sampled_from(["retrying"] * 5 + list(STATES)),
        due=st.integers(0, 5),
    )
    def put(self, offset: int, key: str | None, state: State, due: int) -> None:
        known = self.rows.get(offset)
        self.rows[offset] = row(offset, key if known is None else known.key, state, float(due))
        self.parking.put(self.rows[offset])

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.rows:
            offset = data.draw(st.sampled_from(sorted(self.rows)))
            del self.rows[offset]
            self.parking.remove(offset)

    @rule(key=st.sampled_from(["a", "b", None]), now=st.integers(0, 5))
    def promote(self, key: str | None, now: int) -> None:
        line = self.lines().get(key) if key is not None else None
        first = self.rows[line[0]] if line else None
        if first is not None and first.state == "behind":
            assert self.parking.promotion(key, float(now)) == (first.offset, float(now))
            self.rows[first.offset] = replace(first, state="retrying", due=float(now))
        else:
            assert self.parking.promotion(key, float(now)) is None

    @rule(now=st.integers(0, 5), most=st.integers(1, 12), flying=st.sets(st.integers(0, 5), max_size=2))
    def take(self, now: int, most: int, flying: set[int]) -> None:
        groups = self.parking.take(float(now), most, flying)
        firsts = [group[0] for group in groups]
        assert len(firsts) == len(set(firsts))
        due = {offset for offset in self.eligible() if self.rows[offset].due <= now} - flying
        assert set(firsts) <= due
        if most == 12:
            assert set(firsts) == due
        for group in groups:
            assert len(group) <= most
            line = self.lines().get(self.rows[group[0]].key or "", group)
            assert group == line[: len(group)] or len(group) == 1
            assert all(self.rows[offset].state == "behind" for offset in group[1:])

    def lines(self) -> dict[str, list[int]]:
        """Of each key the offsets that wait for each other."""
        found: dict[str, list[int]] = {}
        for offset in sorted(self.rows):
            key, state = self.rows[offset].key, self.rows[offset].state
            if self.ordered and key is not None and (self.dead_hold or state != "dead"):
                found.setdefault(key, []).append(offset)
        return found

    def eligible(self) -> set[int]:
        later = {offset for line in self.lines().values() for offset in line[1:]}
        return {offset for offset, found in self.rows.items() if found.state == "retrying" and offset not in later}

    @invariant()
    def it_knows_who_blocks(self) -> None:
        if hasattr(self, "parking"):
            assert self.parking.blocked == self.lines()
            assert len(self.parking) == len(self.rows)

    @invariant()
    def it_knows_who_is_due(self) -> None:
        if hasattr(self, "parking"):
            due = [self.rows[offset].due for offset in self.eligible()]
            assert self.parking.next_due() == min(due, default=None)


TestParked = Parked_.TestCase
TestParked.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
