"""Slots are shared evenly, and never more are held than there are."""

from hypothesis import given
from hypothesis import strategies as st

from onward.limit import Seat, granted, shares

WANTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1)


@given(WANTS, st.integers(1, 20), st.integers(0, 100))
def test_shares_are_even(wants: dict[str, int], most: int, turn: int) -> None:
    found = shares(wants, most, turn)
    assert sum(found.values()) == min(most, sum(wants.values()))
    assert all(found[name] <= wants[name] for name in wants)
    unmet = [found[name] for name in wants if found[name] < wants[name]]
    assert not unmet or max(found.values()) - min(unmet) <= 1


@given(WANTS, st.integers(1, 5))
def test_who_wants_some_gets_some_in_its_turn(wants: dict[str, int], most: int) -> None:
    got = {name for turn in range(len(wants)) for name, count in shares(wants, most, turn).items() if count}
    assert got == {name for name, count in wants.items() if count}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.floats(0, 1)), max_size=60), st.integers(1, 6))
def test_whatever_workers_ask_no_more_are_held_than_there_are(asked: list[tuple[str, int, float]], most: int) -> None:
    held: dict[str, int] = {}
    for turn, (worker, wants, part) in enumerate(asked):
        using = int(held.get(worker, 0) * part)
        others = [Seat(name, count, 9) for name, count in held.items() if name != worker]
        held[worker] = granted(others, Seat(worker, using, max(wants, using)), most, turn)
        assert using <= held[worker] and sum(held.values()) <= most
