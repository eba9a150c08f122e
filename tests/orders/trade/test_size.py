from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onward_apps.orders.trade.market import Account, Asset, Market, Quote
from onward_apps.orders.trade.model import Decision, Decisions, Plan
from onward_apps.orders.trade.size import Rules, plan

from .ground import dec

AT = datetime(2025, 1, 8, 17, tzinfo=UTC)


def asset(symbol: str, **said: Any) -> Asset:
    return Asset(**{"symbol": symbol, "status": "active", "tradable": True, "shortable": True, "easy_to_borrow": True,
                    "fractionable": True} | said)  # fmt: skip


def sized(
    weights: dict[str, str],
    *,
    held: dict[str, str] | None = None,
    prices: dict[str, str] | None = None,
    assets: dict[str, Asset] | None = None,
    equity: str = "10000",
    power: str = "20000",
    round: int = 1,
    left: list[str] | None = None,
    **rules: Any,
) -> Plan:
    names = {*weights, *(held or {})}
    decided = Decisions(
        1, "STOCK", AT, AT, [Decision(a, -1 if dec(w) < 0 else 1, abs(dec(w))) for a, w in weights.items()],
        round, left or [],
    )  # fmt: skip
    quotes = {a: Quote(dec(p), dec(p)) for a, p in ((a, (prices or {}).get(a, "100")) for a in names) if dec(p)}
    account = Account("acc", dec(equity), dec(equity), dec(power))
    market = Market(
        AT, account, {a: asset(a) for a in names} | (assets or {}), {a: dec(q) for a, q in (held or {}).items()}, quotes
    )
    return plan(decided, market, Rules(**{"portfolio_id": 1, "shorts": True} | rules), seen=3)


def orders(made: Plan) -> list[tuple[str, int, str]]:
    return [(each.asset_id, each.side, format(each.quantity.normalize(), "f")) for each in made.orders]


def reasons(made: Plan) -> dict[str, str]:
    return {each.asset_id: each.reason for each in made.refusals}


def test_weights_of_the_capital_at_the_price() -> None:
    made = sized({"A": "0.5", "B": "0.3"}, prices={"B": "30"}, cash_allocation=dec("0.1"))
    assert orders(made) == [("A", 1, "45"), ("B", 1, "90")]
    assert [(each.target_wgt, each.real_wgt) for each in made.orders] == [
        (dec("0.5"), dec("0.45")), (dec("0.3"), dec("0.27")),
    ]  # fmt: skip
    assert made.seen == 3 and made.account_id == "acc"


def test_parts_where_they_may_be_had() -> None:
    some = {"A": "0.1234567", "B": "0.1234567"}
    assert orders(sized(some, assets={"B": asset("B", fractionable=False)})) == [("A", 1, "12.34567"), ("B", 1, "12")]
    assert orders(sized(some, fractional=False)) == [("A", 1, "12"), ("B", 1, "12")]
    assert orders(sized({"A": "-0.1234567"})) == [("A", -1, "12")]


def test_too_little_for_one_share_is_none() -> None:
    assert orders(sized({"A": "0.009"}, fractional=False)) == []
    assert orders(sized({"A": "0"})) == []
    assert orders(sized({"A": "0.5"}, equity="-100")) == []


def test_a_difference_below_a_dollar_is_left_but_a_position_is_closed_whole() -> None:
    assert orders(sized({"A": "0.5"}, held={"A": "49.995"})) == []
    assert orders(sized({"A": "0"}, held={"A": "0.001"})) == [("A", -1, "0.001")]


def test_what_frees_money_goes_first_and_the_rest_follows() -> None:
    said: dict[str, Any] = {"weights": {"A": "0.1", "B": "0.5", "C": "-0.2"}, "held": {"A": "40", "C": "5", "D": "7"}}
    first = sized(**said)
    assert orders(first) == [("A", -1, "30"), ("C", -1, "5"), ("D", -1, "7")]
    assert first.left == ["B", "C"]
    second = sized(**said | {"held": {"A": "11"}}, round=2, left=first.left)
    assert orders(second) == [("B", 1, "50"), ("C", -1, "20")] and second.left == []


def test_shorts_only_where_they_are_wanted_and_can_be_borrowed() -> None:
    short = {"A": "-0.5"}
    assert orders(sized(short)) == [("A", -1, "50")]
    assert reasons(sized(short, shorts=False)) == {"A": "the portfolio holds no shorts"}
    hard = {"A": asset("A", easy_to_borrow=False)}
    assert orders(sized(short, assets=hard)) == []
    assert reasons(sized(short, assets=hard)) == {"A": "it cannot be borrowed easily"}
    assert orders(sized(short, assets=hard, held={"A": "5"})) == [("A", -1, "5")]
    assert orders(sized(short, assets=hard, held={"A": "-60"})) == [("A", 1, "10")]
    assert orders(sized(short, assets=hard, held={"A": "-40"})) == []
    assert orders(sized(short, shorts=False, held={"A": "-40"})) == [("A", 1, "40")]


def test_flags_are_honoured() -> None:
    made = sized(
        {"A": "0.1", "B": "0.1", "C": "0.1", "D": "0.1"},
        assets={"A": asset("A", tradable=False), "B": asset("B", status="inactive")},
        prices={"C": "0"},
    )
    assert orders(made) == [("D", 1, "10")]
    assert reasons(made) == {
        "A": "the broker does not trade it now",
        "B": "the broker does not trade it now",
        "C": "there is no quote for it",
    }


def test_buys_stop_at_the_buying_power_the_heaviest_first() -> None:
    made = sized({"A": "0.2", "B": "0.5", "C": "0.3"}, power="6000", fractional=False)
    assert orders(made) == [("B", 1, "50"), ("C", 1, "10")]
    assert reasons(made) == {"A": "the buying power is used up"}


weights = st.dictionaries(st.sampled_from("ABCDE"), st.decimals(-1, 1, places=10).map(str), max_size=5)
quantities = st.dictionaries(st.sampled_from("ABCDE"), st.decimals(-200, 200, places=9).map(str), max_size=5)


@given(weights, quantities, st.dictionaries(st.sampled_from("ABCDE"), st.decimals("0.01", 5000, places=2).map(str)))
def test_no_order_crosses_zero_or_costs_more_than_there_is(
    weights: dict[str, str], held: dict[str, str], prices: dict[str, str]
) -> None:
    made = sized(weights, held=held, prices=prices, power="5000")
    spent = Decimal(0)
    for order in made.orders:
        before = dec(held.get(order.asset_id, "0"))
        after = before + order.side * order.quantity
        assert order.quantity > 0 and before * after >= 0
        if abs(after) > abs(before):
            spent += order.quantity * order.price
    assert spent <= 5000
    assert len({order.asset_id for order in made.orders}) == len(made.orders)
