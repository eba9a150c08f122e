"""An app with a source and no more, and what has come of it."""

from __future__ import annotations

from typing import Any

from onward import App
from scenarios.ground import Ground


def program(function: Any, **options: Any) -> App:
    app = App("feed")
    topic = app.topic("in", dict, key=lambda value: value["n"])
    app.source(to=topic, name="bring", **options)(function)
    return app


def cursor(ground: Ground) -> str | None:
    """The source's, as JSON."""
    found = ground.sql("SELECT cursor FROM source")
    return found[0][0] if found else None


def numbers(ground: Ground, app: App) -> list[int]:
    """What it has brought."""
    return [value["n"] for value in ground.values(app.topics["feed.in"])]
