"""Filling: how long a batch is waited for until it is full."""

from __future__ import annotations


class Filling:
    """Of one stage and partition. `until` is when a batch that is not full goes all the same; None while none waits.

    Args:
        size: how many records are a full batch.
        seconds: how long one is waited for.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self.until: float | None = None

    def ready(self, pending: int, now: float) -> bool:
        """Whether something may be handed out, of so many that wait for it."""
        if not pending or pending >= self._size or not self._seconds:
            self.until = None
            return pending > 0
        if self.until is None:
            self.until = now + self._seconds
        return now >= self.until

    def handed_out(self) -> None:
        """A batch has gone: what is left begins to wait anew."""
        self.until = None
