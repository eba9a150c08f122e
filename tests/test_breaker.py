"""The breaker tells an outage from bad records, and probes by the retry delays."""

from onward.breaker import IN_A_ROW, OF_THE_LAST, Breaker
from onward.retry import Retry


def breaker(chance: float = 0.5) -> Breaker:
    return Breaker(Retry(first="1s", most="10s"), lambda: chance)


def test_twenty_records_of_different_keys_in_a_row() -> None:
    made = breaker()
    assert [made.failed(f"k{n}") for n in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]


def test_records_without_a_key_are_different() -> None:
    made = breaker()
    assert [made.failed(None) for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]


def test_one_key_again_and_again_is_no_outage() -> None:
    made = breaker()
    assert not any(made.failed(f"k{n % (IN_A_ROW - 1)}") for n in range(OF_THE_LAST - 1))


def test_one_that_passes_ends_the_row() -> None:
    made = breaker()
    for n in range(IN_A_ROW - 1):
        made.failed(f"k{n}")
    made.succeeded(0)
    made.succeeded(1)
    assert not made.failed("last")


def test_half_of_the_last_hundred() -> None:
    made = breaker()
    made.failed("first")
    made.succeeded(1)
    told = []
    for n in range(OF_THE_LAST // 2):
        told.append(made.failed(f"k{n}"))
        made.succeeded(1)
    assert told == [False] * (OF_THE_LAST // 2 - 1) + [True]


def test_what_passed_before_the_last_hundred_does_not_count() -> None:
    made = breaker()
    made.failed("first")
    made.succeeded(100_000)
    told = []
    for n in range(OF_THE_LAST):
        told.append(made.failed(f"k{n % 10}"))
    assert told.index(True) == OF_THE_LAST // 2 - 1


def test_fewer_than_half_is_no_outage() -> None:
    made = breaker()
    for n in range(300):
        assert not made.failed(f"k{n}")
        made.succeeded(2)


def test_it_waits_longer_after_each_probe_that_fails() -> None:
    made = breaker(chance=1.0)
    assert not made.tripped
    waits = [made.trip("away", 100.0) for _ in range(6)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert (made.tripped, made.reason, made.probes, made.probe_at) == (True, "away", 6, 110.0)


def test_it_never_waits_less_than_half() -> None:
    assert breaker(chance=0.0).trip("away", 0.0) == 0.5


def test_when_a_probe_passes_nothing_is_held_against_it() -> None:
    made = breaker()
    for n in range(IN_A_ROW):
        made.failed(f"k{n}")
    made.trip("away", 0.0)
    made.recover()
    assert (made.tripped, made.probes) == (False, 0)
    assert [made.failed(f"k{n}") for n in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
