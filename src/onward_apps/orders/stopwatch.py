"""Adds up how long something takes."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Of what happens within `with`, and while `timed` items are waited for; `seconds` so far."""

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        self._timer, self._since = timer, 0.0

    def timed(self, items: Iterable[T]) -> Iterator[T]:
        """The items; what is done with them between does not count."""
        left = iter(items)
        while True:
            with self:
                item = next(left, self)
            if item is self:
                return
            yield item  # type: ignore[misc]

    def __enter__(self) -> "Stopwatch":
        self._since = self._timer()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds += self._timer() - self._since
