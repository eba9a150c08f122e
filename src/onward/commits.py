"""The commits of a lane: what gathers as a draft becomes one commit after another, so they land in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from onward.changes import Pending
from onward.draft import Draft
from onward.errors import AlreadyCommitted, Conflict, LeaseLost
from onward.events import Committed, Conflicted
from onward.log import Append, Claim, Commit
from onward.repeats import Repeats
from onward.window import Window

if TYPE_CHECKING:
    from onward.crew import Crew

MOST_HALVED = 10
"""Conflicts in a row after which units are as small as they get: each halves them, each commit doubles them."""


class Commits:
    """Of one stage and partition, under one lease.

    Args:
        spawn: runs work as a task of the lane.
        give_up: what the lane does when its lease is lost.
    """

    def __init__(
        self,
        crew: Crew,
        claim: Claim,
        window: Window,
        repeats: Repeats | None,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        give_up: Callable[[], None],
    ) -> None:
        self.lease = claim.lease
        self.totals = claim.totals
        self.draft = Draft()
        """What units have changed and no commit has taken yet."""
        self.under_way = False
        self.conflicted = False
        """A commit rested on documents that have changed: nothing more is committed."""
        self.pending = Pending(crew.log.tables) if crew.has_tables else None
        self.halved = crew.conflicts.get(claim.lease.partition, 0)
        self._crew = crew
        self._window = window
        self._repeats = repeats
        self._spawn = spawn
        self._give_up = give_up
        self._writing: Commit | None = None
        self._landed = asyncio.Event()

    @property
    def unwritten(self) -> set[int]:
        """Parked rows that the store does not have yet as they are: their copies cannot be read."""
        writing = () if self._writing is None else (row.offset for row in self._writing.park)
        return {*self.draft.park, *writing}

    @property
    def appends(self) -> Sequence[Append]:
        """What was emitted and is not committed."""
        return [*self.draft.appends, *(self._writing.appends if self._writing is not None else ())]

    def add(self, draft: Draft) -> None:
        """Takes what a unit has changed, for the next commit."""
        self.draft.add(draft)

    def start(self) -> None:
        """Commits what has gathered, if no commit is on its way."""
        if self.under_way or self.conflicted or self.draft.empty:
            return
        self.under_way = True
        draft, self.draft = self.draft, Draft()
        self._writing = self.drawn_up(draft, None)
        self._spawn(self._one(self._writing))

    async def landed(self) -> None:
        """Waits until the next commit is kept, or is not."""
        await self._landed.wait()

    def drawn_up(self, draft: Draft, unit: str | None) -> Commit:
        """The draft as a commit. `next` and the totals are taken in the same step as the draft: a unit that ends
        after this one moves them too, and is not in it."""
        commit = draft.commit(self.lease, self._window.next, self.totals, unit)
        if commit.totals is not None:
            self.totals = commit.totals
        return commit

    async def _one(self, commit: Commit) -> None:
        try:
            await self.write(commit)
        finally:
            self.under_way = False
            self._writing = None
            landed, self._landed = self._landed, asyncio.Event()
            landed.set()

    async def write(self, commit: Commit) -> None:
        """Commits, as often as it takes: a commit is a value, so trying again changes nothing."""
        name, partition = self._crew.stage.name, self.lease.partition
        try:
            await self._crew.patiently(lambda: self._crew.log.commit(commit))
        except AlreadyCommitted:
            if commit.unit is None:
                raise
        except LeaseLost:
            self._give_up()
            return
        except Conflict as error:
            # What was called after it may rest on it, too: all that is not committed is called again, by a new lane.
            self.conflicted = True
            self._crew.conflicts[partition] = min(self.halved + 1, MOST_HALVED)
            self._crew.observe(Conflicted(name, partition, str(error)))
            return
        if commit.tables and self.pending is not None:
            self.pending.committed(commit.tables)
            self.halved = self._crew.conflicts[partition] = max(0, self.halved - 1)
        if self._repeats is not None:
            self._repeats.kept(commit.marks)
        self._crew.committed(commit.appends)
        if commit.next is not None or commit.park or commit.unpark:
            finished = sum(b - a for a, b in commit.finished)
            emitted = sum(append.count for append in commit.appends)
            self._crew.observe(Committed(name, partition, self._window.next, finished, len(commit.park), emitted))
