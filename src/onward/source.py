"""A source: a function that brings records in, with a cursor saved in the same commit as what it brought."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from onward import schedule, units
from onward.handler import Handler
from onward.schedule import Schedule
from onward.topic import Topic


class Checkpoint(Struct, frozen=True):
    """Yield it to say that everything up to `cursor` has been brought; the next call starts from there.

    What lies between two Checkpoints becomes visible at once, together with the cursor: in one commit, which may have
    several of them, up to 1,000 records or 100 ms. It does not stop the generator. `cursor` is any JSON value, or a
    struct; the annotation of the source's first parameter says how it is read back.
    """

    cursor: Any


class Source:
    """Declared by `@app.source(...)`. Exactly-once into its topics: records and cursor are one commit.

    What is wrong with its options is in `faults`; it then has what it would have without them.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        to: Sequence[Topic[Any]],
        every: Any = None,
        cron: str | None = None,
        zone: str | None = None,
        saved: Callable[..., Any] | None = None,
        stall: str | timedelta | float | None = None,
        at_least_once: bool = False,
        was: str | None = None,
    ) -> None:
        self.name = name
        self.handler = Handler(function, has_value=True)
        self.to = tuple(to)
        self.was = was
        self.where = self.handler.where
        self.at_least_once = at_least_once
        self.faults: list[str] = []
        self.schedule = self._schedule(every, cron, zone)
        self.stall = None if stall is None else self._read(lambda: _positive("stall", stall))
        self.saved = None if saved is None else self._read(lambda: _handler(saved))

    @property
    def continuous(self) -> bool:
        """Called again when it returns, after a pause that grows from 1 s to 15 s while it brings nothing."""
        return self.schedule is None

    @property
    def cursor_type(self) -> Any:
        """As what a saved cursor is read back; Any where the annotation does not say."""
        found = self.handler.value_type
        return Any if isinstance(found, str) else found

    def _schedule(self, every: Any, cron: str | None, zone: str | None) -> Schedule | None:
        found: list[Schedule | None] = []
        if every is not None:
            found.append(self._read(lambda: schedule.every(every)))
        if cron is not None:
            found.append(self._read(lambda: schedule.cron(cron, zone)))
        elif zone is not None:
            self.faults.append(f"zone={zone!r} is for cron=, which it has not")
        if len(found) > 1:
            self.faults.append("every= and cron= exclude each other")
        return found[0] if found else None

    def _read(self, made: Callable[[], Any]) -> Any:
        try:
            return made()
        except (ValueError, TypeError) as error:
            self.faults.append(str(error))
            return None


def _positive(option: str, value: Any) -> float:
    try:
        seconds = units.duration(value)
    except ValueError as error:
        raise ValueError(f"{option}={error}") from error
    if not seconds > 0:
        raise ValueError(f"{option}={value!r} is no time")
    return seconds


def _handler(saved: Any) -> Handler:
    if not callable(saved):
        raise ValueError(f"saved={saved!r} is no function; it is called with each cursor after its commit")
    return Handler(saved, has_value=True)
