"""A stage: a function from the records of one topic to records of other topics, or to an effect outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

from onward import units
from onward.database import Database
from onward.handler import Handler
from onward.retry import Retry
from onward.topic import Topic


class Stage:
    """Declared by `@app.stage(...)`; see there for the meaning of each option."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        topic: Topic[Any],
        *,
        to: Sequence[Topic[Any]],
        retry: Retry,
        batch: int | None,
        parallel: int,
        timeout: str | float | timedelta | None,
        within: Database | None,
        effect: bool | None,
        unordered: bool,
        on_dead: Literal["hold", "pass"],
        parked_most: int,
        start: Literal["first", "now"] | None,
        was: str | None,
    ) -> None:
        self.name = name
        self.handler = Handler(function).batched() if batch is not None else Handler(function)
        self.topic = topic
        self.to = tuple(to)
        self.retry = retry
        self.batch = batch
        self.parallel = parallel
        self.timeout = None if timeout is None else units.duration(timeout)
        self.within = within
        self.effect = (not to and within is None) if effect is None else effect
        self.unordered = unordered
        self.on_dead = on_dead
        self.parked_most = parked_most
        self.start = start
        self.was = was
        self.where = self.handler.where

    @property
    def repeatable(self) -> bool:
        """Whether a call can be taken back and made again at once: all it does is rolled back or not yet written."""
        return not self.effect
