"""A source by cron that reads a mailbox. `saved=` is called with each cursor after its commit, never before: so what is
deleted there is in the store. Here the second read breaks off, and only what was committed is deleted."""

from collections.abc import Iterator

from onward import App, Checkpoint
from onward.testing import TestRun


class Mailbox:
    """Stands for one: messages by number."""

    def __init__(self) -> None:
        self.messages = {1: "hello", 2: "how are you"}
        self.breaks_at = 0


app = App("post")
mails = app.topic("mails", str)


@app.resource
def mailbox() -> Mailbox:
    return Mailbox()


def delete(cursor: int, mailbox: Mailbox) -> None:
    for number in [number for number in mailbox.messages if number <= cursor]:
        print(f"deleted {number}: {mailbox.messages.pop(number)}")


@app.source(to=mails, cron="0 8,12 * * *", zone="Europe/Berlin", saved=delete)
def fetch(cursor: int | None, mailbox: Mailbox) -> Iterator[str | Checkpoint]:
    for number, text in list(mailbox.messages.items()):
        if number == mailbox.breaks_at:
            raise ConnectionError("the line broke")
        yield text
        yield Checkpoint(number)


if __name__ == "__main__":
    box = Mailbox()
    with TestRun(app, resources={"mailbox": box}) as run:
        run.poll(fetch)
        box.messages |= {3: "are you there", 4: "answer me"}
        box.breaks_at = 4
        try:
            run.poll(fetch)
        except ConnectionError as error:
            print(f"{error}; left there: {box.messages}")
        print(run.values(mails))

# deleted 1: hello
# deleted 2: how are you
# deleted 3: are you there
# the line broke; left there: {4: 'answer me'}
# ['hello', 'how are you', 'are you there']
