from __future__ import annotations

from datetime import timedelta

from onward_apps.orders.trade.sandbox.tape import OPENS, Tape, played, sample

from .ground import DAYS, NOON, dec


def tape() -> Tape:
    return Tape({"A": [dec(100), dec(110), dec(99), *[dec(99)] * 7]}, DAYS)


def test_the_price_goes_from_close_to_close_and_rests_at_night() -> None:
    found = tape()
    half = OPENS + timedelta(hours=3, minutes=15)
    assert [found.price("A", DAYS[1] + at) for at in (OPENS, half, timedelta(hours=23))] == [100, 105, 110]
    assert found.price("A", DAYS[2] + timedelta(hours=1)) == 110


def test_it_is_closed_at_night_and_at_weekends() -> None:
    found = tape()
    assert found.is_open(DAYS[0] + NOON) and not found.is_open(DAYS[0]) and not found.is_open(DAYS[5] - NOON)
    assert found.next_open(DAYS[4] + NOON) == DAYS[5] + OPENS


def test_it_plays_a_session_in_so_many_seconds_and_stops_at_the_end() -> None:
    passed = [0.0]
    now = played(tape(), 8, 2.0, lambda: passed[0])
    seen = []
    for seconds in (0, 1, 2, 100):
        passed[0] = seconds
        seen.append(now())
    assert seen[0] == DAYS[8] + OPENS and seen[1] > seen[0] and seen[2] == DAYS[9] + OPENS
    assert tape().is_open(seen[3]) and seen[3] > DAYS[9] + NOON


def test_the_same_seed_gives_the_same_tape() -> None:
    one, other = (sample({"A": dec(100)}, 20, seed=3).closes for _ in range(2))
    assert one == other and len(one["A"]) == 20 and min(one["A"]) > 0
