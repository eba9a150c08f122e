"""Prices in, positions out.

Given an account with 10,000 dollars at a stand-in broker, and a strategy that holds all assets alike;
when prices come, and the broker rejects, fills in parts, is closed, away or interrupted;
then each decision becomes at most one order for each asset, none is lost, and the tables say what is true.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from onward import Unavailable
from onward_apps.orders.trade import app as trade

from .ground import DAYS, NOON, Ground, Run, dec, running


def test_from_prices_to_a_portfolio(ground: Ground) -> None:
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        assert [(order["symbol"], order["side"], order["qty"]) for order in ground.sent] == [
            ("AAA", "buy", "49.995000499"),
            ("BBB", "buy", "49.995000499"),
        ]
        assert len({order["client_order_id"] for order in ground.sent}) == 2
        assert ground.held() == {"AAA": dec("49.995000499"), "BBB": dec("49.995000499")}
        assert run.values(trade.refusals) == []
    assert ground.rows("SELECT asset_id, side, quantity, target_wgt FROM orders ORDER BY asset_id") == [
        ("AAA", 1, "49.995000499", "0.5000000000"),
        ("BBB", 1, "49.995000499", "0.5000000000"),
    ]
    assert ground.rows("SELECT status, filled_quantity FROM broker_order") == [("filled", "49.995000499")] * 2
    assert ground.rows("SELECT asset_id, quantity, notional FROM position_latest ORDER BY 1") == [
        ("AAA", "49.995000499", "4999.5000"),
        ("BBB", "49.995000499", "4999.5000"),
    ]
    assert ground.rows("SELECT account_id, portfolio_name FROM orders_config") == [
        (ground.exchange.account_id, "paper")
    ]


def test_the_same_prices_twice_order_nothing_twice(ground: Ground) -> None:
    with running(ground) as run:
        for _ in range(3):
            run.day(0)
            run.day(1)
            run.until_idle()
        assert len(ground.sent) == 2 and len(run.values(trade.decisions)) == 1
    before = ground.rows("SELECT event_id FROM strategy_event_log")
    assert len(before) == 2


def test_a_decision_that_changes_nothing_orders_nothing(ground: Ground) -> None:
    """Equal weights, equal prices: what would be bought or sold is worth less than a dollar."""
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        run.day(2)
        run.until_idle()
        assert len(run.values(trade.decisions)) == 2 and len(ground.sent) == 2


def test_old_prices_are_kept_and_lead_to_no_orders(ground: Ground) -> None:
    with running(ground) as run:
        for number in range(3):
            run.day(number, live=number == 2)
        run.until_idle()
        assert len(run.values(trade.decisions)) == 1
    assert ground.rows("SELECT count(DISTINCT datadate) FROM strategy") == [(2,)]


def test_a_rejected_order_is_a_record_of_its_own_and_not_placed(ground: Ground) -> None:
    ground.exchange.listings["AAA"].fractionable = True
    with running(ground) as run:
        run.day(0)
        run.day(1)
        ground.exchange.cash = dec(10_000)
        real = ground.exchange.place

        def refuse(said: dict) -> dict:
            said = said | ({"qty": "1000000"} if said["symbol"] == "AAA" else {})
            return real(said)

        ground.exchange.place = refuse  # type: ignore[method-assign]
        run.until_idle()
        [refusal] = run.values(trade.refusals)
        assert (refusal.asset_id, refusal.by, refusal.reason) == ("AAA", "broker", "insufficient buying power")
        assert run.parked("place") == []
    assert ground.rows("SELECT asset_id FROM orders") == ground.rows("SELECT asset_id FROM orders_latest") == [("BBB",)]
    assert ground.rows("SELECT asset_id, status, reason FROM broker_order ORDER BY 1") == [
        ("AAA", "rejected", "insufficient buying power"),
        ("BBB", "filled", None),
    ]


def test_an_order_that_is_rejected_after_it_was_accepted(ground: Ground) -> None:
    ground.exchange.behaviours["AAA"] = "rejected"
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        assert [(each.asset_id, each.by) for each in run.values(trade.refusals)] == [("AAA", "broker")]
    assert ground.rows("SELECT asset_id, status FROM broker_order ORDER BY 1") == [
        ("AAA", "rejected"),
        ("BBB", "filled"),
    ]


def test_parts_of_an_order_are_followed_until_it_is_filled(ground: Ground) -> None:
    ground.exchange.behaviours["AAA"] = [dec(10), dec(20), dec(1000)]
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        states = [r.status for r in run.values(trade.reports) if r.order.asset_id == "AAA"]
        assert states == ["accepted", "partially_filled", "partially_filled", "filled"]
    changes = "SELECT curr_filled_quantity FROM broker_order_event_log WHERE curr_asset_id = 'AAA' ORDER BY event_id"
    assert [row[0] for row in ground.rows(changes)] == [
        "0.000000000",
        "0.000000000",
        "10.000000000",
        "30.000000000",
        "49.995000499",
    ]


def test_a_closed_market_is_waited_for(ground: Ground) -> None:
    ground.clock = DAYS[4] + timedelta(days=1) + NOON  # Saturday: by the hour alone it would be open
    with running(ground) as run:
        asked = []

        def wait(method: str, path: str) -> None:
            asked.append(path)
            if asked.count("/v2/clock") > 3:
                ground.clock = DAYS[5] + NOON

        ground.standin.fault = wait
        run.day(3)
        run.day(4)
        run.until_idle()
        assert len(ground.sent) == 2 and asked.count("/v2/clock") >= 4
    assert ground.rows("SELECT DISTINCT order_ts FROM orders") == [("2025-01-13T17:00:00.000000Z",)]


def test_the_broker_is_away_for_a_while(ground: Ground) -> None:
    with running(ground) as run:
        seen: list[str] = []

        def away(method: str, path: str) -> tuple[int, dict[str, str]] | None:
            seen.append(method)
            return (504, {}) if 0 < seen.count("POST") < 8 else None

        ground.standin.fault = away
        run.day(0)
        run.day(1)
        run.until_idle()
        assert run.parked("place") == []
    assert sorted(ground.held()) == ["AAA", "BBB"]
    assert len(ground.exchange.orders) == 2


def test_bad_credentials_kill_no_order(ground: Ground) -> None:
    ground.said["secret_key"] = "wrong"
    with running(ground) as run:
        run.day(0)
        run.day(1)
        with pytest.raises(Unavailable, match="API_KEY"):
            run.until_idle()
        assert [row.state for row in run.parked("survey")] == []
    assert ground.sent == []


def test_who_comes_too_often_comes_again_when_told(ground: Ground) -> None:
    with running(ground) as run:
        told = iter([(429, {"Retry-After": "7"}), (429, {})])
        ground.standin.fault = lambda method, path: next(told, None) if method == "POST" else None
        run.day(0)
        run.day(1)
        run.until_idle()
        assert run.parked("place") == []
    assert len(ground.exchange.orders) == 2


def test_an_answer_that_is_lost_orders_once(ground: Ground) -> None:
    with running(ground) as run:
        cuts = iter(["cut", "cut"])
        ground.standin.fault = lambda method, path: next(cuts, None) if method == "POST" else None
        run.day(0)
        run.day(1)
        run.until_idle()
    assert len(ground.sent) == 4 and len({order["client_order_id"] for order in ground.sent}) == 2
    assert len(ground.exchange.orders) == 2
    assert ground.held() == {"AAA": dec("49.995000499"), "BBB": dec("49.995000499")}


def test_a_decision_that_changes_while_an_order_is_open(ground: Ground) -> None:
    """The open rest is cancelled, what was filled counts, and the new decision is ordered from there."""
    ground.exchange.behaviours["AAA"] = [dec(10)]
    with running(ground) as run:
        asked: list[str] = []

        def change(method: str, path: str) -> None:
            asked.append(f"{method} {path.rpartition('/')[0]}")
            if asked.count("GET /v2/orders") == 6:
                ground.exchange.behaviours.clear()
                run.day(2, AAA=100, BBB=100)

        ground.standin.fault = change
        run.day(0)
        run.day(1)
        run.until_idle()
        assert asked.count("DELETE /v2/orders") >= 1
    assert ground.rows("SELECT asset_id, status FROM broker_order ORDER BY asset_id, decision_ts, round") == [
        ("AAA", "canceled"),
        ("AAA", "filled"),
        ("BBB", "filled"),
    ]
    assert ground.rows("SELECT filled_quantity FROM broker_order WHERE status = 'canceled'") == [("10.000000000",)]
    assert ground.held()["AAA"] == dec("49.992001049")  # the spread has been paid in between


def test_what_newer_decisions_have_overtaken_is_not_sent(ground: Ground) -> None:
    with running(ground) as run:
        run.day(0)
        run.day(1)
        asked: list[str] = []

        def away(method: str, path: str) -> tuple[int, dict[str, str]] | None:
            asked.append(f"{method} {path}")
            if asked.count("POST /v2/orders") == 4 and method == "POST":
                run.day(2, AAA=90, BBB=100)
            back = "GET /v2/orders:by_client_order_id" in asked
            return (503, {}) if method == "POST" and not back else None

        ground.standin.fault = away
        run.until_idle()
    found = ground.rows("SELECT asset_id, status FROM broker_order ORDER BY decision_ts, asset_id")
    assert found == [("AAA", "superseded"), ("BBB", "superseded"), ("AAA", "filled"), ("BBB", "filled")]
    assert len(ground.exchange.orders) == 2


def test_orders_run_dry_are_shown_and_not_sent(ground: Ground) -> None:
    ground.said["dry_orders"] = True
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        assert [report.status for report in run.values(trade.reports)] == ["withheld", "withheld"]
    assert ground.sent == [] and ground.rows("SELECT status FROM broker_order") == [("withheld",)] * 2
    assert ground.rows("SELECT name FROM sqlite_schema WHERE name = 'orders'") == []
    assert ground.rows("SELECT last_decision_datadate, plans FROM orders_control") == [(None, 1)]


def test_from_long_to_short_by_two_orders(ground: Ground) -> None:
    """The broker takes no order that crosses zero: first the long is sold, then the short opened."""
    ground.said |= {"strategy_type": "momentum"}
    with running(ground) as run:
        run.day(0, AAA=100, BBB=100)
        run.day(1, AAA=110, BBB=110)
        run.until_idle()
        assert {symbol: int(quantity) for symbol, quantity in ground.held().items()} == {"AAA": 49, "BBB": 49}
        run.day(2, AAA=99, BBB=121)
        run.until_idle()
        assert run.values(trade.refusals) == []
    aaa = [(order["side"], order["qty"]) for order in ground.sent if order["symbol"] == "AAA"]
    assert aaa == [("buy", "49.995000499"), ("sell", "49.995000499"), ("sell", "49")]
    assert ground.held()["AAA"] == -49


def test_what_is_not_decided_for_is_closed_and_what_cannot_be_traded_is_refused(ground: Ground) -> None:
    ground.exchange.held = {"CCC": dec(5), "BBB": dec(3)}
    ground.said["strategy_config"] = '{"assets": ["AAA"]}'
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        assert [(each.asset_id, each.reason) for each in run.values(trade.refusals)] == [
            ("CCC", "the broker does not trade it now")
        ]
    assert [(order["symbol"], order["side"]) for order in ground.sent] == [("BBB", "sell"), ("AAA", "buy")]
    assert ground.held().keys() == {"AAA", "CCC"}


def test_crypto_at_night_with_a_slash(ground: Ground, tmp_path: Path) -> None:
    ground.clock = DAYS[4] + timedelta(days=1)
    ground.said |= {"asset_type": "CRYPTO", "strategy_config": '{"assets": ["BTCUSD"]}', "cash_allocation": "0.5"}
    with running(ground) as run:
        run.poll("bars")
        run.until_idle()
        [prices] = run.values(trade.prices)[-1:]
        assert prices.bars.keys() == {"BTCUSD"} and prices.datadate < ground.clock - timedelta(days=1)
    [order] = ground.sent
    assert (order["symbol"], order["time_in_force"], order["qty"]) == ("BTC/USD", "gtc", "49.995000499")
    assert ground.rows("SELECT asset_id, asset_id_type FROM position_latest") == [("BTCUSD", "CRYPTO_TICKER")]


def test_a_dry_run_shows_the_orders_and_moves_nothing(ground: Ground) -> None:
    with running(ground) as run:
        run.day(0)
        run.day(1)
        _, withheld = run.dry_run()
        shown = [effect.value for effect in withheld if effect.stage == "trade.place"]
        assert {(order.asset_id, str(order.quantity)) for order in shown} == {
            ("AAA", "49.995000499"),
            ("BBB", "49.995000499"),
        }
        assert ground.sent == [] and ground.exchange.orders == {}
        run.until_idle()
        assert len(ground.sent) == 2


def test_an_order_that_the_broker_no_longer_knows_does_not_hold_the_portfolio(ground: Ground) -> None:
    """As after a paper account was reset."""
    with running(ground) as run:
        ground.exchange.behaviours |= {"AAA": [], "BBB": []}
        asked: list[str] = []

        def reset(method: str, path: str) -> None:
            asked.append(path)
            if len(asked) == 20:
                ground.exchange.orders.clear()
                ground.exchange.behaviours.clear()
                run.day(2, AAA=100, BBB=100)

        ground.standin.fault = reset
        run.day(0)
        run.day(1)
        run.until_idle()
    statuses = [status for (status,) in ground.rows("SELECT status FROM broker_order ORDER BY decision_ts")]
    assert statuses == ["lost", "lost", "filled", "filled"]


def test_two_portfolios_on_one_account_are_refused(ground: Ground) -> None:
    """The second would close what the first holds."""
    with ground.standin:
        with Run(ground) as run:
            run.day(0)
            run.day(1)
            run.until_idle()
        ground.said |= {"portfolio_id": 2, "portfolio_name": "other", "strategy_id": 2}
        target = apsw.Connection(str(ground.folder / "target.db"))
        target.execute("DELETE FROM onward_cursor; DELETE FROM onward_ledger")
        target.close()
        with Run(ground) as run:
            run.day(0)
            run.day(1)
            with pytest.raises(Unavailable, match=r"account_id .* is that of portfolio 1"):
                run.until_idle()
    assert len(ground.sent) == 2


def test_a_plan_from_facts_that_are_no_more_true_goes_back(ground: Ground) -> None:
    """Another plan was booked in between: ordering both would order twice."""
    with running(ground) as run:
        run.day(0)
        run.day(1)
        run.until_idle()
        [plan] = run.values(trade.plans)
        assert plan.seen == 0
        run.put(trade.plans, plan)
        run.until_idle()
        assert len(run.values(trade.orders)) == len(ground.sent) == 2
        assert len(run.values(trade.decisions)) == 2
    assert ground.rows("SELECT plans FROM orders_control") == [(1,)]


def test_bars_come_when_they_are_over_and_only_the_newest_are_live(ground: Ground) -> None:
    ground.said["strategy_config"] = '{"assets": ["AAA", "BBB"]}'
    with running(ground) as run:
        run.poll("bars")
        run.poll("bars")
        assert [(p.datadate.day, p.live, sorted(p.bars)) for p in run.values(trade.prices)] == [
            (6, False, ["AAA", "BBB"]),
            (7, True, ["AAA", "BBB"]),
        ]
        ground.clock = DAYS[4] + NOON
        run.poll("bars")
        assert [(p.datadate.day, p.live) for p in run.values(trade.prices)[2:]] == [(8, False), (9, True)]


def test_decisions_while_the_broker_is_away_are_ordered_one_after_another(ground: Ground) -> None:
    """Of each asset the broker sees the decisions in their order, and nothing of those that were overtaken."""
    ground.said["strategy_type"] = "momentum"
    with running(ground) as run:
        asked: list[str] = []

        def away(method: str, path: str) -> tuple[int, dict[str, str]] | None:
            asked.append(path)
            if len(asked) == 10:
                run.day(2, AAA=121, BBB=105)
                run.day(3, AAA=110, BBB=100)
            return (503, {}) if len(asked) < 16 else None

        ground.standin.fault = away
        run.day(0, AAA=100, BBB=100)
        run.day(1, AAA=110, BBB=110)
        run.until_idle()
        reports = run.values(trade.reports)
        assert run.parked("place") == run.parked("survey") == []
    for asset in ("AAA", "BBB"):
        decided = [report.order.decision_ts for report in reports if report.order.asset_id == asset]
        assert decided and decided == sorted(decided)
    assert sum(order["side"] == "sell" for order in ground.sent) == 2 == len(ground.held())
