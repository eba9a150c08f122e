"""Numbers under keys, as scenarios put them into a topic `in`, and as they come out of a topic `out`."""

from __future__ import annotations

from collections.abc import Iterable

from onward import App
from scenarios.ground import Ground


def records(count: int, keys: int = 10, start: int = 0) -> list[dict]:
    """So many, whose keys take turns."""
    return [{"key": f"k{n % keys}", "n": n} for n in range(start, start + count)]


def outputs(ground: Ground, app: App) -> dict[str | None, list[int]]:
    """What came out, by key, in its order."""
    return {key: [v["n"] for v in values] for key, values in ground.by_key(app.topics[f"{app.name}.out"]).items()}


def per_key(numbers: Iterable[int], keys: int = 10) -> dict[str, list[int]]:
    """What is to come out."""
    found: dict[str, list[int]] = {}
    for n in numbers:
        found.setdefault(f"k{n % keys}", []).append(n)
    return found
