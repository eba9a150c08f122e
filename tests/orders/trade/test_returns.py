"""The arithmetic of returns and weights against exact fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward_apps.orders.trade.model import Holding
from onward_apps.orders.trade.returns import RETURN, WEIGHT, change, compound, moved, weight

HALF = Fraction(1, 2)

money = st.decimals(min_value="0.0001", max_value="9999999999999", places=4)
signed = st.decimals(min_value="-9999999999999", max_value="9999999999999", places=4)
returns = st.decimals(min_value="-0.9", max_value="5", places=18)


def near(found: Decimal, exact: Fraction, unit: Decimal) -> bool:
    last = found.as_tuple().exponent
    return (
        isinstance(last, int)
        and last >= unit.as_tuple().exponent
        and abs(Fraction(found) - exact) <= HALF * Fraction(unit)
    )


@given(money, signed)
def test_a_return_is_the_fraction_to_its_last_digit(before: Decimal, now: Decimal) -> None:
    exact = (Fraction(now) - Fraction(before)) / Fraction(before)
    assert near(change(before, now), exact, RETURN)


@given(money, money)
def test_a_short_returns_the_opposite_of_its_price(before: Decimal, now: Decimal) -> None:
    exact = -(Fraction(now) - Fraction(before)) / Fraction(before)
    found = moved([Holding("A", Decimal(-1), before, -before)], {"A": now}, -1)
    assert near(found, exact, RETURN)


@given(st.lists(returns, max_size=60))
def test_returns_add_up_to_what_became_of_a_dollar(steps: list[Decimal]) -> None:
    """Each step is off by half a digit at most, and carries along what was off before."""
    found, exact, off = Decimal(0), Fraction(1), Fraction(0)
    for step in steps:
        found = compound(found, step)
        exact *= 1 + Fraction(step)
        off = off * (1 + Fraction(step)) + HALF * Fraction(RETURN)
    assert abs(1 + Fraction(found) - exact) <= off


@given(st.lists(money, min_size=1, max_size=30), money)
def test_weights_are_fractions_of_all(parts: list[Decimal], cash: Decimal) -> None:
    total = sum(parts, cash)
    found = [weight(part, total) for part in parts]
    assert all(near(w, Fraction(p) / Fraction(total), WEIGHT) for w, p in zip(found, parts, strict=True))
    assert sum(map(Fraction, found)) <= 1 + len(parts) * HALF * Fraction(WEIGHT)


@given(st.lists(st.tuples(money, money), min_size=1, max_size=10))
def test_a_side_returns_what_its_holdings_have_gained(pairs: list[tuple[Decimal, Decimal]]) -> None:
    held = [Holding(str(n), Decimal(1), then, then) for n, (then, _) in enumerate(pairs)]
    prices = {str(n): now for n, (_, now) in enumerate(pairs)}
    then, now = (sum(Fraction(pair[n]) for pair in pairs) for n in (0, 1))
    assert near(moved(held, prices, 1), (now - then) / then, RETURN)
    assert moved(held, prices, -1) == 0


@pytest.mark.parametrize("now", ["1000000.0001", "999999.9999"])
def test_the_smallest_move_of_a_million_is_not_zero(now: str) -> None:
    assert abs(change(Decimal(1_000_000), Decimal(now))) == Decimal("1e-10")


def test_of_nothing_there_is_no_return_and_no_weight() -> None:
    assert change(Decimal(0), Decimal(5)) == weight(Decimal(5), Decimal(0)) == 0


def test_a_holding_without_a_price_counts_as_unmoved() -> None:
    held = [Holding("A", Decimal(1), Decimal(10), Decimal(10)), Holding("B", Decimal(1), Decimal(10), Decimal(10))]
    assert moved(held, {"A": Decimal(12)}, 1) == Decimal("0.1")
