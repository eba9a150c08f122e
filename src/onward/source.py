"""A source: a function that brings records in, with a cursor saved in the same commit as what it brought."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from onward import units
from onward.handler import Handler
from onward.topic import Topic


class Checkpoint(Struct, frozen=True):
    """Yield it to say that everything up to `cursor` has been brought; the next call starts from there.

    What lies between two checkpoints becomes visible at once, together with the cursor. It does not stop the
    generator.
    """

    cursor: Any


class Source:
    """Declared by `@app.source(...)`. Exactly-once into its topics: records and cursor are one commit."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        to: Sequence[Topic[Any]],
        every: str | timedelta | float | None = None,
        was: str | None = None,
    ) -> None:
        self.name = name
        self.handler = Handler(function, has_value=True)
        self.to = tuple(to)
        self.every = None if every is None else units.duration(every)
        self.was = was
        self.where = self.handler.where

    @property
    def continuous(self) -> bool:
        """Called again as soon as it returns, after a pause that grows from 1 s to 15 s while it brings nothing."""
        return self.every is None

    @property
    def cursor_type(self) -> Any:
        return self.handler.value_type
