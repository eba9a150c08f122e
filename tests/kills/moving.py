"""The move that the campaign kills. As a script it moves a store, dying at a given step of writing to disk or, where a
database of PostgreSQL is one of its homes, of what it asks of that.

    python -m tests.kills.moving FROM TO STEP before|after|torn
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from tests.kills.program import Killing

from onward import stores
from onward.move import Move
from onward.postgres.desk import Desk


async def work(old: str, new: str) -> None:
    async with stores.carrying(old) as given, stores.carrying(new) as taken:
        await Move(given, taken, "me", most=100).run()


def kill_at(step: int, how: str) -> None:
    """Ends the process before or after the n-th transaction that writes to the database."""
    left, write = step, Desk.write_now

    def counted(self: Desk, *given: Any, **bound: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and how == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = write(self, *given, **bound)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Desk.write_now = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    old, new, step, how = sys.argv[1:]
    if int(step) and "postgresql" in old + new:
        kill_at(int(step), how)
    elif int(step):
        killing = Killing(int(step), how)
    asyncio.run(work(old, new))
