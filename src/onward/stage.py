"""A stage: a function from the records of one topic to records of other topics, or to an effect outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from onward import units
from onward.database import Database
from onward.dedupe import Window
from onward.handler import Handler
from onward.rate import Rate
from onward.retry import Retry
from onward.review import Review
from onward.topic import KeyOf, Topic

T = TypeVar("T")
V = TypeVar("V")


class Stage:
    """Declared by `@app.stage(...)`; see there for the meaning of each option.

    `wrong` says which options cannot be read; they stand as if they had not been given.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        topic: Topic[Any],
        *,
        to: Sequence[Topic[Any]],
        retry: Retry,
        batch: int | None,
        fill: str | timedelta | None,
        parallel: int,
        limit: int | None,
        rate: str | Rate | None,
        isolate: bool,
        timeout: str | float | timedelta | None,
        within: Database | None,
        effect: bool | None,
        split: bool | None,
        unordered: bool,
        long: bool,
        on_dead: Literal["hold", "pass"],
        parked_most: int,
        slows: bool,
        dedupe: Window | None,
        idempotency: str | KeyOf | None,
        start: Literal["first", "now"] | None,
        upgrade: Callable[[Any], Any] | None,
        was: str | None,
    ) -> None:
        self.wrong: list[str] = []
        self.name = name
        self.handler = Handler(function).batched() if batch is not None else Handler(function)
        self.topic = topic
        self.to = tuple(to)
        self.retry = retry
        self.batch = batch
        self.fill = self._read("fill", units.duration, fill)
        self.parallel = parallel
        self.limit = limit
        self.rate = rate if isinstance(rate, Rate) else self._read("rate", partial(Rate, f"{name}.rate"), rate)
        self.isolate = isolate
        self.timeout = self._read("timeout", units.duration, timeout)
        self.within = within
        self.effect = (not to and within is None) if effect is None else effect
        self.split = not self.effect if split is None else split
        self.unordered = unordered
        self.long = long
        self.on_dead = on_dead
        self.parked_most = parked_most
        self.slows = slows
        self.dedupe = dedupe
        self.dedupe_seconds = self._read("dedupe", lambda window: units.duration(window.length), dedupe) or 0.0
        self.idempotency = idempotency
        self.start = start
        self.upgrade = upgrade
        self.was = was
        self.where = self.handler.where
        self.review: Review | None = None

    def _read(self, option: str, read: Callable[[V], T], value: V | None) -> T | None:
        try:
            return None if value is None else read(value)
        except (ValueError, TypeError) as error:
            self.wrong.append(f"{option}={value!r}: {error}")
            return None

    @property
    def repeatable(self) -> bool:
        """Whether a call can be taken back and made again at once: all it does is rolled back or not yet written."""
        return not self.effect

    @property
    def whole(self) -> bool:
        """Whether a batch fails as one: its records are tried again together."""
        return self.batch is not None and not (self.split and self.repeatable)
