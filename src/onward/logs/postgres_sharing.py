"""What workers on a PostgreSQL store share beside leases: who is there, budgets of rates, seats of limits.

Each function is to be one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from onward import process
from onward.claim import Met
from onward.limit import Seat, granted
from onward.log import MEETING
from onward.logs.postgres_rows import SQL
from onward.postgres.connection import Connection, rows, run
from onward.rate import Account, Portion
from onward.units import instant_text


def meet(connection: Connection, worker: str, wants: Sequence[str], *, now: float, says: float) -> dict[str, Met]:
    """Notes that a worker is there, and who else is; `says` is what its machine's clock does."""
    found, until = {}, instant_text(now + MEETING)
    run(connection, SQL.worker_put, name=worker, until=until, says=instant_text(says), wants=json.dumps(list(wants)))
    for name, other_until, other_says, other_wants in rows(connection, SQL.worker_all):
        if other_until < now or process.is_dead(name):
            run(connection, SQL.worker_delete, name=name)
        else:
            # By the clocks of the machines, which are those that the workers' own times come from.
            found[name] = Met(json.loads(other_wants), says - other_says)
    return found


def draw(connection: Connection, budget: str, per_second: float, count: int, *, now: float) -> Portion:
    run(connection, SQL.budget_make, name=budget, now=now, per_second=per_second)
    account = Account(*rows(connection, SQL.budget_get, name=budget)[0])
    portion, account = account.portion(now, per_second, count)
    run(connection, SQL.budget_put, name=budget, **account._asdict())
    return portion


def occupy(connection: Connection, stage: str, most: int, mine: Seat, seconds: float, *, now: float) -> int:
    """How many seats are held from now on."""
    rows(connection, SQL.call_slot_lock, stage=stage)
    seats = []
    for name, held, wanted, until in rows(connection, SQL.call_slot_all, stage=stage):
        if until <= now or process.is_dead(name) or name == mine.worker:
            run(connection, SQL.call_slot_delete, stage=stage, worker=name)
        else:
            seats.append(Seat(name, held, wanted))
    held = granted(seats, mine, most, int(now))
    if seconds and (held or mine.wants):
        row = {"stage": stage, "worker": mine.worker, "held": held, "wants": mine.wants}
        run(connection, SQL.call_slot_put, **row, until=instant_text(now + seconds))
    return held
