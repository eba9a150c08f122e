"""How a worker is to run, and what has come of it."""

from __future__ import annotations

from msgspec import Struct

MEMORY = 256_000_000


class Plan(Struct, frozen=True, kw_only=True):
    """How a worker is to run.

    Args:
        stages: full names of stages (and sources) to run; all if empty.
        once: end when nothing is left that can be done.
        memory: the byte budget of the process.
        patience: seconds; how far ahead a retry may be due for `once` to wait for it, and how long it waits for
            a store that is away.
        grace: seconds that work in hand has to finish at a stop.
        isolate: whether `isolate=` counts; else all calls are made in this process.
        dry_run: withhold effects outside; to be run on an overlay, with targets that are copies.
        limit: so many records at most per source and per stage.
        retention: let go, beside the work, of what the store is to keep no longer.
        bounded: whether sources and stages wait at the bounds of topics, and slow down for a stage that has tripped.
        follow: under `once`, do not judge whether all is done: the process that leads this one does, and stops it.
    """

    stages: tuple[str, ...] = ()
    once: bool = False
    memory: int = MEMORY
    patience: float = 60.0
    grace: float = 10.0
    retention: bool = True
    follow: bool = False
    isolate: bool = True
    dry_run: bool = False
    limit: int | None = None
    bounded: bool = True


class Report(Struct):
    """What happened in a run, for the exit code."""

    died: int = 0
    sources_failed: int = 0
    tripped: list[str] = []
    replace: bool = False
    deaf: bool = False
    away: bool = False
    troubles: list[str] = []

    @property
    def failed(self) -> bool:
        return bool(self.died or self.sources_failed or self.tripped or self.away or self.troubles)

    @property
    def why(self) -> str:
        """What has failed, in one line; empty if nothing has."""
        found = [f"{self.died} {'record' if self.died == 1 else 'records'} died"] if self.died else []
        if self.sources_failed:
            found.append(f"{self.sources_failed} {'call' if self.sources_failed == 1 else 'calls'} of sources failed")
        found += [f"{name} is tripped" for name in self.tripped]
        found += ["the store was away for too long"] if self.away else []
        return "; ".join([*found, *self.troubles]).replace("\n", " ")
