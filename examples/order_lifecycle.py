"""A table whose documents have states, and may only move along the life-cycle. What a stage changes is committed with
the record that it was called for; a move that is not allowed makes the record dead at once, and changes nothing."""

from msgspec import Struct

from onward import App, Lifecycle, MoveRefused, Retry
from onward.testing import TestRun


class Order(Struct):
    number: int
    item: str
    state: str = "ordered"


class Step(Struct):
    number: int
    to: str


app = App("shop")
placed = app.topic("placed", Order, key="number")
steps = app.topic("steps", Step, key="number")
LIFE = Lifecycle({"ordered": ["paid", "cancelled"], "paid": ["sent", "cancelled"], "sent": "returned"})
orders = app.table("orders", Order, key="number", lifecycle=LIFE)


@app.stage(placed)
def place(order: Order) -> None:
    orders.put(order)


@app.stage(steps, retry=Retry(reject=(MoveRefused,)), on_dead="pass")
def move(step: Step) -> None:
    orders.move(step.number, step.to)


if __name__ == "__main__":
    with TestRun(app) as run:
        run.put(placed, Order(1, "tea"), Order(2, "jam"))
        run.until_idle()
        run.put(steps, Step(1, "paid"), Step(2, "sent"), Step(1, "sent"), Step(2, "cancelled"))
        run.until_idle(raises=False)
        table = run.table(orders)
        print(*table.find(), sep="\n")
        print(*(f"{change.version} {change.action} {change.state}" for change in table.history(1)), sep=", ")
        print(*(parked.error.partition(": ")[2] for parked in run.parked(move)))

# Order(number=1, item='tea', state='sent')
# Order(number=2, item='jam', state='cancelled')
# 1 put ordered, 2 move paid, 3 move sent
# table shop.orders: document '2' cannot go from 'ordered' to 'sent'; allowed: paid, cancelled
