"""Testing an app: a decorated function stays a plain one, and a TestRun runs the whole app in memory, with a clock that
moves by itself over retries and with what it is given for resources. Run it by pytest, or as it is."""

from collections.abc import Callable

from msgspec import Struct

from onward import App, Retry
from onward.testing import TestRun


class Order(Struct):
    item: str
    count: int


app = App("orders")
orders = app.topic("orders", Order, key="item")
shipped = app.topic("shipped", str)
Reserve = Callable[[Order], int]


@app.resource
def reserve() -> Reserve:
    raise NotImplementedError("here a client of the warehouse is opened")


@app.stage(orders, to=shipped, effect=True, retry=Retry(attempts=3, first="10m", most="10m"))
def ship(order: Order, reserve: Reserve) -> str:
    return f"{order.item}: {reserve(order)} left"


def test_a_handler_is_a_function() -> None:
    assert ship(Order("tea", 2), lambda order: 10 - order.count) == "tea: 8 left"


def test_the_warehouse_may_be_away_for_a_while() -> None:
    answers = iter([TimeoutError(), TimeoutError(), 9])

    def fake(order: Order) -> int:
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    with TestRun(app, resources={"reserve": fake}) as run:
        run.put(orders, Order("jam", 1))
        run.until_idle()
        assert run.values(shipped) == ["jam: 9 left"]


if __name__ == "__main__":
    test_a_handler_is_a_function()
    test_the_warehouse_may_be_away_for_a_while()
    print("both tests pass")

# both tests pass
