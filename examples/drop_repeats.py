"""A sender that is not sure sends again. `dedupe=Window(by, length)` tells repeats by a number of the sender's, and
for how long; they are dropped without a call, and counted. After the window the number may come again."""

from msgspec import Struct

from onward import App, Window
from onward.testing import TestRun


class Message(Struct):
    number: int
    text: str


app = App("inbox")
received = app.topic("received", Message)
told = app.topic("told", str)


@app.stage(received, to=told, dedupe=Window("number", "24h"))
def tell(message: Message) -> str:
    return f"{message.number}: {message.text}"


if __name__ == "__main__":
    with TestRun(app) as run:
        run.put(received, Message(1, "hello"), Message(2, "how are you"), Message(1, "hello"))
        run.until_idle()
        run.clock.advance("23h")
        run.put(received, Message(2, "how are you"))
        run.until_idle()
        print(*run.values(told), sep="\n")
        run.clock.advance("2h")
        run.put(received, Message(1, "hello again"))
        run.until_idle()
        print(run.values(told)[-1])

# 1: hello
# 2: how are you
# 1: hello again
