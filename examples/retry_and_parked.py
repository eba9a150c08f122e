"""A record that fails parks; later records of its key queue behind it, in order; other keys never notice."""

from msgspec import Struct

from onward import App, Record, Reject, Retry
from onward.testing import TestRun


class Payment(Struct):
    account: str
    amount: int


class Bank:
    """Stands for one that is busy the first two times that ann pays."""

    busy = 2

    def book(self, payment: Payment) -> None:
        if payment.account == "ann" and self.busy:
            self.busy -= 1
            raise ConnectionError("the bank is busy")


app = App("payments")
payments = app.topic("payments", Payment, key="account")
booked = app.topic("booked", str)


@app.resource
def bank() -> Bank:
    return Bank()


@app.stage(payments, to=booked, effect=True, retry=Retry(attempts=3, first="1s", most="1m"))
def book(payment: Record[Payment], bank: Bank) -> str | Reject:
    if payment.value.amount < 0:
        return Reject("a payment is positive")
    bank.book(payment.value)
    return f"{payment.key} {payment.value.amount}, attempt {payment.attempt}"


if __name__ == "__main__":
    with TestRun(app) as run:
        run.put(payments, Payment("ann", 1), Payment("bob", 1), Payment("ann", 2), Payment("bob", 2))
        run.until_idle()
        print(*run.values(booked), sep="\n")
        run.put(payments, Payment("bob", -3), Payment("bob", 4), Payment("ann", 3))
        run.until_idle(raises=False)
        for parked in run.parked(book):
            print(f"{parked.position} {parked.value} {parked.state}: {parked.reason or 'an older one of its key'}")

# bob 1, attempt 1
# bob 2, attempt 1
# ann 1, attempt 3
# ann 2, attempt 1
# payments.payments:0:4 Payment(account='bob', amount=-3) dead: a payment is positive
# payments.payments:0:5 Payment(account='bob', amount=4) behind: an older one of its key
