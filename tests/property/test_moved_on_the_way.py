"""A store that moves on again and again, to homes of any kind, gives the same answers as one that never moves.

Given random calls on a log in memory and on one that is kept
when  the one that is kept is moved between them, now and then, also by processes that die on the way
then  all answers are the same, before and afterwards: whoever goes on with it cannot tell that it was moved.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from conformance.test_alike import Alike
from homes import Died, Dies, Homes, PostgresHomes, SQLiteHomes
from onward.log import Books, Log
from onward.move import Move


class Moved(Alike):
    """Kept in a file or, where there is a server, in a database."""

    def __init__(self, fresh: Callable[[], str] | None = None) -> None:
        super().__init__()
        self.postgres = None if fresh is None else PostgresHomes(fresh)
        self.steps = itertools.count(1)

    def empty(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.files: Homes = SQLiteHomes(Path(self.folder.name))
        self.home, self.url = self.files, self.files.url()

    def durable(self) -> tuple[Log, Books]:
        return self.home.log(self.url, self.clock), self.home.books(self.url, self.clock)

    @invariant()
    def move_now_and_then(self) -> None:
        """After every sixth call; as a rule among so many it would hardly ever come."""
        number = next(self.steps)
        if number % 6 or not hasattr(self, "runner"):
            return
        self.clock.advance(60)  # nobody is heard of any more
        self.runner.run(self.close())
        home = self.files if self.postgres is None or number % 4 else self.postgres
        url = home.url()
        for step in (number % 29, number % 31 + 1, 0):
            self.runner.run(self.moved(home, url, step, (1, 3, 2_000)[number % 5 % 3]))
        self.home, self.url = home, url
        self.runner.run(self.open())

    async def moved(self, home: Homes, url: str, step: int, most: int) -> None:
        old, new = self.home.carrier(self.url, self.clock), home.carrier(url, self.clock)
        dies = Dies(step)
        try:
            await Move(dies.over(old), dies.over(new), "me", most=most, now=self.clock.now).run()
        except Died:
            assert step > 0
        finally:
            await old.close()
            await new.close()


def test_moved_between_files() -> None:
    few = settings(max_examples=8, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Moved, settings=few)  # type: ignore[no-untyped-call]


def test_moved_between_files_and_databases(databases: Callable[[], str]) -> None:
    # As it is found: making a failure shorter takes many minutes with a server.
    few = settings(max_examples=5, stateful_step_count=20, deadline=None, phases=[Phase.generate])
    run_state_machine_as_test(lambda: Moved(databases), settings=few)  # type: ignore[no-untyped-call]
