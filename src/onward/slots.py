"""Call slots: what one process holds of a `limit=` that all workers share.

They are held as a lease is: renewed, given back when they are not used, and free at once when a process of this
machine has died, after some seconds when one of another machine has.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from onward.errors import OnwardError

SECONDS = 10.0
RENEW = 3.0
LOOK = 1.0
SPARE = 2.0


class Slots:
    """Of one stage in one process.

    Args:
        occupy: says to the store how many are used and how many could be, and for how many seconds; gives how many
            this process may hold.
        wants: how many could be used now.
        wake: called when there are more.
    """

    def __init__(
        self,
        occupy: Callable[[int, int, float], Awaitable[int]],
        wants: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._occupy = occupy
        self._wants = wants
        self._wake = wake
        self._held = 0
        self._safe_until = 0.0
        self._asked = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self.using = 0

    @property
    def short(self) -> bool:
        """Whether more could be used than may be."""
        return self._wants() > self._held

    def take(self) -> bool:
        """Takes a slot for a call; where there is none, more are asked for."""
        if self.using < self._held and time.monotonic() < self._safe_until:
            self.using += 1
            return True
        self._asked.set()
        return False

    def free(self) -> None:
        """The call has ended."""
        self.using -= 1

    async def close(self) -> None:
        """Lets others have all of them."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._held:
            with contextlib.suppress(OnwardError):  # they are free after a while all the same
                await self._occupy(0, 0, 0.0)

    async def _run(self) -> None:
        told = (0, 0)
        at = 0.0
        while True:
            wants = self._wants()
            if (self._held, wants) != told or wants > self._held or time.monotonic() - at >= RENEW:
                at = time.monotonic()
                with contextlib.suppress(OnwardError):  # whoever needs the store for something else tells of it
                    before, self._held = self._held, await self._occupy(self.using, wants, SECONDS)
                    self._safe_until, told = at + SECONDS - SPARE, (self._held, wants)
                    if self._held > before:
                        self._wake()
            idle = not (self._held or self._wants())
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if idle else LOOK):
                    await self._asked.wait()
