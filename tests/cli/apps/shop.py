"""An app for the tests: orders are billed, bills are mailed (a line in a file)."""

import time
from pathlib import Path

from msgspec import Struct

from onward import App, Checkpoint, Retry


class Order(Struct):
    customer: str
    number: int


class Settings(Struct):
    many: int = 20
    bad: int = -1  # -2: all
    slow: float = 0.0
    target: str = "mailed.txt"


app = App("shop")
app.settings(Settings)
orders = app.topic("orders", Order, key="customer", partitions=2)
bills = app.topic("bills", Order, key="customer")


@app.source(to=orders, every="1h")
def arrive(cursor: int | None, settings: Settings):
    for number in range(cursor or 0, settings.many):
        yield Order(f"c{number % 5}", number)
        yield Checkpoint(number + 1)


@app.stage(orders, to=bills, retry=Retry(attempts=2, first="10ms", most="10ms"))
def bill(order: Order, settings: Settings) -> Order:
    if settings.bad in (order.number, -2):
        raise ValueError("unlucky")
    time.sleep(settings.slow)
    return order


@app.stage(bills)
def mail(order: Order, settings: Settings) -> None:
    print("mailing", order.number)
    with open(settings.target, "a") as file:
        file.write(f"{order.customer} {order.number}\n")


@app.demo
def demo(folder: Path):
    return {"many": 12, "target": str(folder / "mailed.txt")}
