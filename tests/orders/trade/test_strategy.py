from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward_apps.orders.trade.errors import BadStrategy
from onward_apps.orders.trade.model import Decision
from onward_apps.orders.trade.strategy import STRATEGIES, Strategy

from .ground import dec


def said(strategy: Strategy, before: dict[str, Decimal] | None = None, **closes: list[int]) -> list[Decision]:
    return strategy.decide({asset: [dec(c) for c in values] for asset, values in closes.items()}, before)


def test_who_rose_is_long_and_who_fell_is_short() -> None:
    assert said(Strategy("momentum", 1), A=[100, 120], B=[100, 90], C=[100, 100]) == [
        Decision("A", 1, dec("0.6666666666")),
        Decision("B", -1, dec("0.3333333333")),
        Decision("C", 1, dec("0E-10")),
    ]
    assert [each.decision for each in said(Strategy("reversal", 1), A=[100, 120], B=[100, 90])] == [-1, 1]


def test_only_the_lookback_counts_and_who_is_too_young_is_left_out() -> None:
    strategy = Strategy("hold", 2, weights="equal")
    assert said(strategy, A=[1, 2, 3], B=[1, 2]) == [Decision("A", 1, dec("1.0000000000"))]
    assert said(Strategy("momentum", 1), A=[1000, 100, 110]) == said(Strategy("momentum", 1), A=[100, 110])


def test_weights_move_no_more_than_the_turnover() -> None:
    strategy = Strategy("momentum", 1, turnover=dec("0.2"))
    assert said(strategy, {"A": dec("0.5"), "OLD": dec("0.3")}, A=[100, 90]) == [
        Decision("A", 1, dec("0.3")),
        Decision("OLD", 1, dec("0.1")),
    ]


closes = st.dictionaries(
    st.sampled_from("ABCDEF"), st.lists(st.decimals("0.01", 10_000, places=2), min_size=1, max_size=6), max_size=6
)


@given(closes, st.sampled_from(sorted(STRATEGIES)), st.sampled_from(["score", "equal"]))
def test_weights_never_exceed_what_there_is(closes: dict, type: str, weights: str) -> None:
    strategy = Strategy(type, 3, weights=weights, gross=dec("0.9"))
    made = strategy.decide(closes)
    assert sum((each.weight for each in made), dec(0)) <= dec("0.9")
    assert all(each.weight >= 0 and each.decision in (1, -1) for each in made)
    assert [each.asset_id for each in made] == sorted(a for a, values in closes.items() if len(values) > 3)
    assert made == strategy.decide(dict(reversed(closes.items())))


@pytest.mark.parametrize(
    ("type", "lookback", "config", "what"),
    [
        ("magic", 1, "{}", "STRATEGY_TYPE"),
        ("hold", 0, "{}", "LOOKBACK"),
        ("hold", 1, "[]", "STRATEGY_CONFIG"),
        ("hold", 1, "{", "STRATEGY_CONFIG"),
        ("hold", 1, '{"asset": 1}', "STRATEGY_CONFIG"),
        ("hold", 1, '{"weights": "heavy"}', "STRATEGY_CONFIG"),
        ("hold", 1, '{"turnover": "0.1"}', "REQUIRES_PREV_WEIGHTS"),
        ("hold", 1, '{"gross": "-1"}', "STRATEGY_CONFIG"),
    ],
)
def test_what_makes_no_strategy_is_named(type: str, lookback: int, config: str, what: str) -> None:
    with pytest.raises(BadStrategy, match=what):
        Strategy.read(type, lookback, config, previous=False)


def test_the_hash_is_of_what_decides() -> None:
    one = Strategy.read("hold", 5, '{"assets": ["A"], "gross": 1}', previous=True)
    other = Strategy.read("hold", 5, '{"gross": 1, "assets": ["A"]}', previous=True)
    assert one.hash == other.hash != Strategy.read("hold", 6, '{"assets": ["A"], "gross": 1}', previous=True).hash
