"""A web handler, a notebook or a script uses an app's store by `onward.open`. What is put and changed in one
`client.commit()` block is one commit: both, or, where the block fails, neither. Workers beside it are woken."""

from tempfile import TemporaryDirectory

from msgspec import Struct

import onward
from onward import App


class Seat(Struct):
    number: int
    by: str


app = App("cinema")
taken = app.topic("taken", Seat, key="number")
seats = app.table("seats", Seat, key="number", index=["by"])


def book(client: onward.Client, name: str, *numbers: int) -> str:
    """Books all of these seats or none, and tells the stages of the app."""
    try:
        with client.commit() as commit:
            for number in numbers:
                if seats.get(number) is not None:
                    raise LookupError(f"seat {number} is taken")
                seats.put(Seat(number, name))
                commit.put(taken, Seat(number, name))
    except LookupError as error:
        return f"{name}: {error}, nothing was booked"
    return f"{name} has {len(numbers)} seats"


if __name__ == "__main__":
    with TemporaryDirectory() as folder, onward.open(app, f"sqlite:///{folder}/cinema.db") as client:
        print(book(client, "ann", 1, 2))
        print(book(client, "bob", 4, 3, 2))
        print(book(client, "bob", 3, 4))
        print(client.table(seats).find(by="bob"))

# ann has 2 seats
# bob: seat 2 is taken, nothing was booked
# bob has 2 seats
# [Seat(number=3, by='bob'), Seat(number=4, by='bob')]
