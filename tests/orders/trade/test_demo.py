"""The demo, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from .ground import Ground


def demo(folder: Path) -> dict:
    ran = subprocess.run(
        [sys.executable, "-m", "onward", "demo", "trade", "--once", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_it_ends_with_a_portfolio_and_a_second_one_orders_nothing(tmp_path: Path) -> None:
    document = demo(tmp_path)
    stages = {stage["name"]: stage for stage in document["apps"][0]["stages"]}
    assert all(stage["records"] == stage["done"] for stage in stages.values())
    ground = Ground(tmp_path / "onward-demo" / "trade")
    [(cum, total, long)] = ground.rows("SELECT cum_rtn, total_notional, long_notional FROM portfolio_latest")
    assert abs(Decimal(cum)) < Decimal("0.2") and Decimal(cum) != 0
    assert abs(Decimal(total) - 100_000 * (1 + Decimal(cum))) < 1
    assert Decimal(long) > 10_000
    assert ground.rows("SELECT count(*) FROM position_latest")[0][0] >= 3
    assert ground.rows("SELECT count(*) FROM portfolio")[0][0] >= 2
    orders = ground.rows("SELECT * FROM broker_order")
    again = {stage["name"]: stage for stage in demo(tmp_path)["apps"][0]["stages"]}
    assert again["trade.place"]["records"] == stages["trade.place"]["records"] == len(orders)
    assert ground.rows("SELECT * FROM broker_order") == orders
