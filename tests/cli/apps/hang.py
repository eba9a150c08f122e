"""An app whose calls take as long as they are told to; one of them may hang."""

import os
import time
from pathlib import Path

from msgspec import Struct

from onward import App, Checkpoint, Retry


class Settings(Struct):
    many: int = 40
    slow: float = 0.0
    hang: int = -1
    started: str = "started"


app = App("hang")
app.settings(Settings)
given = app.topic("given", int, key=str, partitions=4)
taken = app.topic("taken", dict)


@app.source(to=given, every="1h")
def bring(cursor: int | None, settings: Settings):
    for number in range(cursor or 0, settings.many):
        yield number
        yield Checkpoint(number + 1)


@app.stage(given, to=taken, timeout="1s" if os.environ.get("TIMEOUT") else None, retry=Retry(attempts=1))
def take(number: int, settings: Settings) -> dict:
    Path(settings.started).touch()
    time.sleep(1000 if number == settings.hang else settings.slow)
    return {"number": number, "process": os.getpid()}
