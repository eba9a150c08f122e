"""Settings by the environment."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onward import OnwardError
from onward.settings import resolve
from onward_apps.orders.trade.errors import BadStrategy
from onward_apps.orders.trade.interval import length, timeframe
from onward_apps.orders.trade.settings import Settings


def read(**environment: str) -> Settings:
    return resolve("trade", Settings, environment=environment)[0]


@pytest.mark.parametrize(
    ("text", "value"), [("False", False), ("no", False), ("0", False), ("TRUE", True), ("1", True)]
)
def test_booleans_mean_what_they_say(text: str, value: bool) -> None:
    assert read(DRY_ORDERS=text).dry_orders is value
    assert read(REQUIRES_PREV_WEIGHTS=text).requires_prev_weights is value


@pytest.mark.parametrize("text", ["", "maybe", "None"])
def test_what_is_no_boolean_is_named(text: str) -> None:
    with pytest.raises(OnwardError, match="DRY_ORDERS"):
        read(DRY_ORDERS=text)


def test_money_is_exact_and_secrets_are_masked() -> None:
    made = read(CASH_ALLOCATION="0.1", INITIAL_PORTFOLIO_VALUE="100000.01", SECRET_KEY="hush-hush")
    assert made.cash_allocation == Decimal("0.1") and made.initial_portfolio_value == Decimal("100000.01")
    assert "hush" not in str(made) and made.secret_key.reveal() == "hush-hush"


@pytest.mark.parametrize("text", ["postgresql://me:hush-hush@h/d", "host=h password=hush-hush", "paper.db"])
def test_a_target_is_a_sqlite_file(text: str) -> None:
    with pytest.raises(OnwardError, match="TARGET: the tables of trade lie in a SQLite file") as caught:
        read(TARGET=text)
    assert "hush" not in str(caught.value)


def test_orders_are_run_dry_on_the_paper_account_unless_set() -> None:
    made = read()
    assert made.dry_orders and "paper" in made.base_url and made.asset_type == "CRYPTO" and made.lookback == 180


def test_intervals() -> None:
    assert (timeframe("1d"), timeframe("15m"), length("1h").total_seconds()) == ("1Day", "15Min", 3600)
    with pytest.raises(BadStrategy, match="INTERVAL"):
        length("day")
