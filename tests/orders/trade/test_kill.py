"""A worker that is killed between the broker's answer and its own commit.

Given an order that the broker has taken;
when the process dies before it has heard of it, and another one goes on;
then there is exactly one order for each decision and asset.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onward_apps.orders.trade.sandbox.server import StandIn

from .ground import Ground, prices

WITHIN = 60


def onward(ground: Ground, *arguments: str) -> subprocess.Popen[bytes]:
    given = {"PATH": os.environ["PATH"]} | {name.upper(): str(value) for name, value in ground.settings().items()}
    log = (ground.folder / "log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "onward", *arguments], cwd=ground.folder, env=given, stdout=log, stderr=log
    )


@pytest.mark.parametrize("kill_at", [1, 2])
def test_one_order_for_each_decision_and_asset(ground: Ground, kill_at: int) -> None:
    killed: list[int] = []
    process: subprocess.Popen[bytes]

    def kill(exchange: Any) -> None:
        if len(exchange.orders) == kill_at and not killed:
            killed.append(process.pid)
            process.kill()
            process.wait(WITHIN)

    ground.standin = StandIn(ground.exchange, kill)
    file = ground.folder / "prices.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(prices(number)) for number in range(2)))
    with ground.standin:
        process = onward(ground, "put", "trade.prices", str(file), "--app", "trade")
        assert process.wait(WITHIN) == 0, Path(ground.folder / "log").read_text()
        process = onward(ground, "run", "trade", "--once")
        assert process.wait(WITHIN) == -signal.SIGKILL
        process = onward(ground, "run", "trade", "--once")
        assert process.wait(WITHIN) == 0, Path(ground.folder / "log").read_text()
        assert onward(ground, "audit").wait(WITHIN) == 0
    assert len(ground.exchange.orders) == 2 and sorted(ground.held()) == ["AAA", "BBB"]
    assert len({order["client_order_id"] for order in ground.sent}) == 2 < len(ground.sent)
    assert ground.rows("SELECT status FROM broker_order") == [("filled",)] * 2
