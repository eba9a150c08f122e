"""A table of accounts that a stage keeps, with states, and a review where a person decides on those overdrawn."""

from msgspec import Struct

from onward import App, Lifecycle
from onward.testing import TestRun


class Payment(Struct):
    account: str
    cents: int


class Account(Struct):
    name: str
    cents: int = 0
    state: str = "open"


app = App("bank")
payments = app.topic("payments", Payment, key="account")
overdrawn = app.topic("overdrawn", Account, key="name")
letters = app.topic("letters", str)
accounts = app.table(
    "accounts", Account, key="name", index=["cents"], lifecycle=Lifecycle({"open": "frozen", "frozen": "open"})
)


@app.stage(payments, to=overdrawn)
def book(payment: Payment) -> Account | None:
    account = accounts.get(payment.account) or Account(payment.account)
    account.cents += payment.cents
    accounts.put(account)
    return account if account.cents < 0 and account.state == "open" else None


@app.review(overdrawn, to=letters, choices=["freeze", "forgive"], newest=True)
def judge(account: Account, decision) -> str:
    if decision.choice == "freeze":
        accounts.move(account.name, "frozen")
    return f"{account.name}: {decision.choice}, {decision.note}"


if __name__ == "__main__":
    with TestRun(app) as run:
        run.put(payments, *(Payment(f"a{number % 3}", 100 - 60 * number) for number in range(5)))
        run.until_idle()
        print([(row.key, row.value.cents, row.state) for row in run.parked(judge)])
        run.decide(judge, "freeze", key="a1", note="by post")
        run.until_idle()
        print(run.values(letters), run.table(accounts).find(cents__lt=0, order="cents")[0])
        print([(change.action, change.state, change.origin) for change in run.table(accounts).history("a1")])

# [('a2', -20, 'waiting'), ('a1', -100, 'waiting')]
# ['a1: freeze, by post'] Account(name='a1', cents=-100, state='frozen')
# [('put', 'open', 'bank.payments:0:1'), ('put', 'open', 'bank.payments:0:4'), ('move', 'frozen', 'bank.overdrawn:0:1')]
