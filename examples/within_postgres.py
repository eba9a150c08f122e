"""Balances in a PostgreSQL table, exactly once: what the handler writes and the stage's cursor are one transaction.

python within_postgres.py postgresql://USER:PASSWORD@HOST/DATABASE
"""

import sys

import psycopg
from msgspec import Struct

from onward import App, Database, Record
from onward.testing import TestRun


class Booking(Struct):
    account: str
    cents: int


class Settings(Struct):
    ledger: str = ""


app = App("ledger")
app.settings(Settings)
bookings = app.topic("bookings", Booking, key="account", partitions=4)
refused = app.topic("refused", Booking, key="account")


@app.stage(bookings, to=refused, within=Database(lambda settings: settings.ledger), parallel=4)
def book(booking: Record[Booking], tx: psycopg.Connection) -> Booking | None:
    try:
        with tx.transaction():  # what fails in here is taken back, and the call goes on
            tx.execute("INSERT INTO balance VALUES (%s, 0) ON CONFLICT DO NOTHING", (booking.key,))
            change = "UPDATE balance SET cents = cents + %s WHERE account = %s"
            tx.execute(change, (booking.value.cents, booking.key))
    except psycopg.errors.CheckViolation:
        return booking.value
    if booking.key == "bob" and booking.attempt == 1:
        raise RuntimeError("fails after it has written: the write is taken back")
    return None


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1], autocommit=True) as ledger:
        ledger.execute("CREATE TABLE balance (account text PRIMARY KEY, cents bigint CHECK (cents >= 0))")
        with TestRun(app, settings={"ledger": sys.argv[1]}) as run:
            run.put(bookings, Booking("ann", 500), Booking("bob", 200), Booking("ann", -120), Booking("ann", -400))
            run.until_idle()
            print("refused:", *run.values(refused))
        print(*ledger.execute("SELECT account, cents FROM balance ORDER BY account").fetchall(), sep="\n")

# refused: Booking(account='ann', cents=-400)
# ('ann', 380)
# ('bob', 200)
