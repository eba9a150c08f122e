"""A source and two stages: lines come in, become words, and each word is greeted.

Run it by itself, or as an app: onward run hello.py --once
"""

from collections.abc import Iterator

from onward import App, Checkpoint
from onward.testing import TestRun

TEXT = ["hello world", "good morning", "hello moon"]

app = App("hello")
lines = app.topic("lines", str)
words = app.topic("words", str, key=lambda word: word)
greetings = app.topic("greetings", str)


@app.source(to=lines)
def read(cursor: int | None) -> Iterator[str | Checkpoint]:
    for number, line in enumerate(TEXT[cursor or 0 :], (cursor or 0) + 1):
        yield line
        yield Checkpoint(number)


@app.stage(lines, to=words)
def split(line: str) -> Iterator[str]:
    yield from line.split()


@app.stage(words, to=greetings)
def greet(word: str) -> str:
    return f"{word}, {len(word)} letters"


if __name__ == "__main__":
    with TestRun(app) as run:
        run.poll(read)
        run.until_idle()
        for record in run.records(greetings):
            print(f"{record.value}  (key {record.key}, made from {record.origin})")
        TEXT.append("goodbye")
        run.poll(read)
        run.until_idle()
        print(run.values(lines)[-1], "came alone: the cursor stood at 3")

# hello, 5 letters  (key hello, made from hello.words:0:0)
# world, 5 letters  (key world, made from hello.words:0:1)
# good, 4 letters  (key good, made from hello.words:0:2)
# morning, 7 letters  (key morning, made from hello.words:0:3)
# hello, 5 letters  (key hello, made from hello.words:0:4)
# moon, 4 letters  (key moon, made from hello.words:0:5)
# goodbye came alone: the cursor stood at 3
