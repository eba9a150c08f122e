"""A record that a stage cannot take parks, and later ones of its key queue behind it. A person looks, mends the stage's
copy and has it tried again; what queued behind follows in order. The record in its topic stays as it came."""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from msgspec import Struct

import onward
from onward import App, Reject


class Payment(Struct):
    account: str
    euros: str


app = App("bank")
payments = app.topic("payments", Payment, key="account")
booked = app.topic("booked", int)


@app.stage(payments, to=booked)
def book(payment: Payment) -> int | Reject:
    if "," in payment.euros:
        return Reject(f"{payment.euros}: a point, no comma")
    return round(float(payment.euros) * 100)


def command(*words: str) -> None:
    said = {"ONWARD_STORE": store, "ONWARD_LOG": "error", "ONWARD_USER": "ann"}
    subprocess.run([sys.executable, "-m", "onward", *words], env={**os.environ, **said})


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/bank.db"
        with onward.open(app, store) as client:
            client.put(payments, Payment("ann", "1,50"), Payment("ann", "2.00"), Payment("bob", "3.00"))
        command("run", __file__, "--once")
        command("parked", "list")
        mended = '{"account": "ann", "euros": "1.50"}'
        command("parked", "edit", "bank.payments:0:0", "--value", mended, "--app", __file__)
        command("parked", "retry", "--key", "ann")
        command("run", __file__, "--once")
        command("read", "booked")

# What stays:
# stage      outstanding  retrying  dead  waiting  running  behind  state
# bank.book            0         0     1        0        0       1
# stage      position           key  state   attempts  since                due  error or reason
# bank.book  bank.payments:0:0  ann  dead           1  ...  -    1,50: a point, no comma
# bank.book  bank.payments:0:1  ann  behind         0  ...  -
# bank.book partition 0: 1 asked for; a worker that runs it carries it out
# bank.book partition 0: 2 asked for; a worker that runs it carries it out
# bank.booked:0:0  ...  bob  300
# bank.booked:0:1  ...  ann  150
# bank.booked:0:2  ...  ann  200
