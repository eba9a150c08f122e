"""Orders become bills; a large one waits for a person. The README runs it step by step."""

from msgspec import Struct

from onward import App, Hold


class Order(Struct):
    customer: str
    cents: int


class Bill(Struct):
    customer: str
    euros: str


app = App("shop")
orders = app.topic("orders", Order, key="customer")
bills = app.topic("bills", Bill, key="customer")


@app.stage(orders, to=bills)
def bill(order: Order, approved: bool) -> Bill | Hold:
    if order.cents > 100_000 and not approved:
        return Hold("more than 1,000 euros")
    return Bill(order.customer, f"{order.cents / 100:.2f}")


def test_a_large_order_waits() -> None:
    from onward.testing import TestRun

    with TestRun(app) as run:
        run.put(orders, Order("ann", 1250), Order("bob", 250_000), Order("bob", 300))
        run.until_idle()
        assert run.values(bills) == [Bill("ann", "12.50")]
        assert [record.state for record in run.parked(bill)] == ["waiting", "behind"]


if __name__ == "__main__":
    test_a_large_order_waits()
    print("bob's large order waits, his small one behind it, ann is billed")

# bob's large order waits, his small one behind it, ann is billed
