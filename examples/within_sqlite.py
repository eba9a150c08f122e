"""Balances in a SQLite table, exactly once: what the handler writes and the stage's cursor are one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
from msgspec import Struct

from onward import App, Database, Record
from onward.testing import TestRun


class Booking(Struct):
    account: str
    cents: int


class Settings(Struct):
    ledger: str = "sqlite:///ledger.db"


app = App("ledger")
app.settings(Settings)
bookings = app.topic("bookings", Booking, key="account")


@app.stage(bookings, within=Database(lambda settings: settings.ledger))
def book(booking: Record[Booking], tx: apsw.Connection) -> None:
    tx.execute("CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, cents INTEGER)")
    tx.execute(
        "INSERT INTO balance VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET cents = cents + excluded.cents",
        (booking.key, booking.value.cents),
    )
    if booking.key == "bob" and booking.attempt == 1:
        raise RuntimeError("fails after it has written: the write is taken back")


@contextmanager
def opened(file: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(file))
    yield connection
    connection.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        file = Path(folder, "ledger.db")
        with TestRun(app, settings={"ledger": f"sqlite:///{file}"}) as run:
            run.put(bookings, Booking("ann", 500), Booking("bob", 200), Booking("ann", -120))
            run.until_idle()
        with opened(file) as ledger:
            print(*ledger.execute("SELECT account, cents FROM balance ORDER BY account"), sep="\n")
            print(*ledger.execute('SELECT stage, partition, "next" FROM onward_cursor'))

# ('ann', 380)
# ('bob', 200)
# ('ledger.book', 0, 3)
