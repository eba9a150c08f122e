"""Moving a whole store from one home to another, so that it goes on there where it stood.

The old home is marked first, so that nothing changes in it any more; then its rows are carried over, load by load, each
committed in the new home with how far it came; when both count the same the old home is marked as moved, and then
the new one is opened. Between any two of these steps the process may die:

| old home | new home | what can be done |
|---|---|---|
| works | empty | all as before |
| leaving | empty, or arriving | neither takes anything: move again goes on, cancel lets the old one work again |
| moved | arriving, and whole | neither takes anything: move again opens the new one |
| moved | works | the end |

Marks of two databases cannot change together, so the order says what is true: only who has seen the old home as moved
opens the new one, and only a home that is leaving can be let go on. Both steps out of `leaving`, to moved and back to
work, compare and set the mark in the old home alone, so one of them wins, whoever else is at it. So there are never two
homes that work; and in each row there is a way on, so it never ends with none.

Only `leave` asks whether workers live. It is one transaction with the mark, and every writer of that store waits for it
or comes after it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from msgspec import Struct

from onward.carry import KINDS, ROWS, Carrier, Mark, Place
from onward.errors import Broken, Refused, StoreMoved

Tell = Callable[[str, int, int], None]
"""Called with a kind, how many of its rows are there, and how many there are to be."""


class Moved(Struct, frozen=True):
    """What has come of a move: the homes as URLs without passwords, and what the new one holds by count."""

    store: str
    to: str
    records: int
    bytes: int
    rows: int


class Move:
    """A move, as one process goes about it; another one may have begun it, and another may end it.

    Args:
        by: who moves it.
        tell: told how far it is.
        most: rows in one load.
    """

    def __init__(
        self,
        old: Carrier,
        new: Carrier,
        by: str,
        *,
        tell: Tell = lambda *_: None,
        most: int = ROWS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._old, self._new = old, new
        self._by = by
        self._tell = tell
        self._most = most
        self._now = now

    async def run(self) -> Moved:
        """Moves the store, from where the move stands. Calling it again after the end changes nothing.

        Raises:
            InUse: workers live in the old home.
            Refused: the new home holds something, or one of the two is part of another move.
            Broken: what has arrived is not what was there; the old home goes on leaving.
        """
        old, new = self._old, self._new
        if old.shown == new.shown:
            raise Refused(f"{old.shown} is where the store is; name another place by --to")
        here = await old.mark()
        if here is None:
            raise Refused(f"{old.shown} holds nothing that could be moved")
        if here.state == "arriving":
            raise StoreMoved(here.told(old.shown))
        if here.state == "here":
            here = await self._leave()
        there = await new.mark()
        if there is None or there.move != here.move:
            if here.state == "moved" or here.other != new.shown:
                raise StoreMoved(here.told(old.shown))
            there = await self._arrive(here)
        if here.state == "leaving":
            await self._carry(there)
            await old.change(here, "moved")
        if there.state == "arriving":
            await new.change(there, "here")
        counts = await new.count()
        rows = sum(count for kind, count in counts.items() if kind in KINDS)
        return Moved(old.shown, new.shown, counts["records"], counts["bytes"], rows)

    async def _leave(self) -> Mark:
        if (there := await self._new.mark()) is not None:
            raise Refused(f"{there.told(self._new.shown)}; name a place where nothing is")
        mark = Mark("leaving", secrets.token_hex(8), self._new.shown, self._by, self._now())
        await self._old.leave(mark)
        try:
            await self._arrive(mark)
        except Refused:  # nothing has been carried, so nobody need give it up
            await self._old.change(mark, "here")
            raise
        return mark

    async def _arrive(self, leaving: Mark) -> Mark:
        mark = Mark("arriving", leaving.move, self._old.shown, self._by, self._now())
        await self._new.arrive(mark)
        return mark

    async def _carry(self, mark: Mark) -> None:
        """All that has not arrived."""
        place = await self._new.arrive(mark)
        total, done = await self._old.count(), dict(await self._new.count())
        kinds = list(KINDS)
        for kind in kinds[kinds.index(place.kind) :]:
            at = place if place.kind == kind else Place(kind)
            while (load := await self._old.give(at, self._most)).rows:
                await self._new.take(mark, place, load)
                at = place = load.place
                if kind in total:
                    done[kind] += len(load.rows)
                    self._tell(kind, done[kind], total[kind])
        arrived = await self._new.count()
        if arrived != total:
            wrong = [f"{name} {arrived[name]} of {count}" for name, count in total.items() if arrived[name] != count]
            raise Broken(
                f"{self._new.shown} has not become what {self._old.shown} is: {', '.join(wrong)}; nothing was opened. "
                "`onward move --cancel`, delete what has arrived, and move again"
            )


async def cancel(old: Carrier) -> Mark:
    """Lets a store that is leaving work again; gives the mark that it had. What has arrived elsewhere is of no use.

    Raises:
        Refused: it is not leaving.
    """
    mark = await old.mark()
    if mark is None or mark.state in ("here", "arriving"):
        raise Refused(f"{old.shown} is not being moved elsewhere")
    if mark.state == "moved":
        raise StoreMoved(f"it is too late to give the move up: {mark.told(old.shown)}")
    await old.change(mark, "here")
    return mark
