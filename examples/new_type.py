"""A topic gets another type while its records are in the store. Fields with defaults need nothing; for more its stage
says `upgrade=`, a function from the old value as plain JSON to the new one. The new version delivers both."""

from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

import onward
from onward import App
from onward.service import Service


class Old(Struct):
    name: str
    price: str


class New(Struct):
    name: str
    cents: int
    currency: str = "EUR"


before = App("prices")
old_prices = before.topic("prices", Old, key="name")


after = App("prices")
prices = after.topic("prices", New, key="name")


def upgraded(old: dict[str, Any]) -> New:
    return New(old["name"], round(float(old["price"]) * 100))


shown: list[New] = []


@after.stage(prices, start="first", upgrade=upgraded)
def show(price: New) -> None:
    shown.append(price)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/prices.db"
        with onward.open(before, store) as client:
            client.put(old_prices, Old("tea", "2.50"), Old("jam", "3.20"))
        with onward.open(after, store) as client:
            client.put(prices, New("pen", 90))
        with Service(after, store=store) as service:
            service.drain()
        print(*shown, sep="\n")

# New(name='tea', cents=250, currency='EUR')
# New(name='jam', cents=320, currency='EUR')
# New(name='pen', cents=90, currency='EUR')
