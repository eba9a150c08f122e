"""What is written of a portfolio that is looked at again and again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from onward_apps.orders.trade import app as trade
from onward_apps.orders.trade.model import Look

from .ground import Ground, Run, dec, running


def look(run: Run, ground: Ground) -> None:
    ground.clock += timedelta(minutes=1)
    run.put(trade.looks, Look(1, "test"))
    run.until_idle()


def test_a_tiny_move_does_not_vanish(ground: Ground) -> None:
    ground.exchange.held = {"AAA": dec(1)}
    ground.exchange.cash = dec(9_999_900)
    with running(ground) as run:
        look(run, ground)
        ground.price("AAA", "100.01")
        look(run, ground)
    rtn, cum, long = ground.rows("SELECT rtn, cum_rtn, long_rtn FROM portfolio ORDER BY portfolio_ts")[1]
    assert Decimal(rtn) == Decimal(cum) == Decimal("0.000000001")
    assert Decimal(long) == Decimal("0.0001")


def test_a_short_gains_when_the_price_falls(ground: Ground) -> None:
    ground.exchange.held = {"AAA": dec(10), "BBB": dec(-10)}
    with running(ground) as run:
        look(run, ground)
        ground.price("AAA", 90)
        ground.price("BBB", 80)
        look(run, ground)
    [row] = ground.rows(
        "SELECT long_notional, short_notional, total_notional, long_wgt, short_wgt, long_rtn, short_rtn, rtn"
        " FROM portfolio_latest"
    )
    assert [Decimal(value) for value in row] == [
        dec(900),
        dec(-800),
        dec(10_100),
        dec("0.0891089109"),
        dec("-0.0792079208"),
        dec("-0.1"),
        dec("0.2"),
        dec("0.01"),
    ]


def test_a_look_at_what_has_not_changed_writes_nothing(ground: Ground) -> None:
    ground.exchange.held = {"AAA": dec(10)}
    with running(ground) as run:
        for _ in range(3):
            look(run, ground)
    assert ground.rows("SELECT count(*) FROM portfolio") == ground.rows("SELECT count(*) FROM position") == [(1,)]


def test_what_is_bought_is_no_return_and_what_is_sold_leaves_zeros(ground: Ground) -> None:
    ground.exchange.held = {"AAA": dec(10)}
    with running(ground) as run:
        look(run, ground)
        ground.exchange.held |= {"AAA": dec(0), "BBB": dec(20)}
        look(run, ground)
    assert ground.rows("SELECT long_rtn, rtn FROM portfolio ORDER BY portfolio_ts DESC LIMIT 1")[0][0] == (
        "0.000000000000000000"
    )
    assert ground.rows("SELECT asset_id FROM position_latest") == [("BBB",)]
    last = "SELECT quantity, notional, wgt FROM position WHERE asset_id = 'AAA' ORDER BY position_ts DESC LIMIT 1"
    assert ground.rows(last) == [("0.000000000", "0.0000", "0.0000000000")]


def test_the_first_return_is_from_the_initial_value(ground: Ground) -> None:
    ground.said["initial_portfolio_value"] = "8000"
    with running(ground) as run:
        look(run, ground)
    assert ground.rows("SELECT rtn, cum_rtn FROM portfolio") == [("0.250000000000000000",) * 2]
