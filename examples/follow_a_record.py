"""Where is my order? `onward trace KEY` shows each record of a key: what it came from, every attempt, what each stage
changed, and what became of it. Here the second attempt passes, and the invoice is told apart from the order."""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from msgspec import Struct

import onward
from onward import App, Record, Retry


class Order(Struct):
    customer: str
    cents: int


class Invoice(Struct):
    customer: str
    cents: int
    tax: int


app = App("shop")
orders = app.topic("orders", Order, key="customer")
invoices = app.topic("invoices", Invoice, key="customer")


@app.stage(orders, to=invoices, retry=Retry(first="10ms", most="10ms"))
def invoice(order: Record[Order]) -> Invoice:
    if order.attempt == 1:
        raise ConnectionError("the tax office is busy")
    return Invoice(order.value.customer, order.value.cents, order.value.cents // 5)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/shop.db"
        with onward.open(app, store) as client:
            client.put(orders, Order("ann", 1250), key="ann")
        for words in (["run", __file__, "--once"], ["trace", "ann"]):
            quiet = {**os.environ, "ONWARD_STORE": store, "ONWARD_LOG": "error"}
            subprocess.run([sys.executable, "-m", "onward", *words], env=quiet, check=True)

# shop.orders:0:0  key ann  ...
#   put ...
#   value {"customer":"ann","cents":1250}
#   shop.invoice: done ...
#     attempt 1 ... after ... s: ConnectionError: the tax office is busy
#     attempt 2 ... passed
#     shop.invoices:0:0  key ann  ...
#       + tax 250
