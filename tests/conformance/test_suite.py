"""The suite itself: a log that breaks a promise fails it, and one with a single handle can still be tested."""

import asyncio
import unittest
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from onward.clock import HandClock
from onward.conformance.log import LogSuite
from onward.errors import AlreadyCommitted, LeaseLost
from onward.log import Block, Books, Commit, Lease, Log
from onward.logs.memory import MemoryLog
from onward.logs.memory_store import MemoryStore


class TakesAnyToken(MemoryLog):
    def _holds(self, lease: Lease) -> bool:
        return True


class KeepsHalf(MemoryLog):
    """Writes the outputs of a commit that it then refuses."""

    async def commit(self, commit: Commit) -> None:
        try:
            await super().commit(commit)
        except (LeaseLost, AlreadyCommitted):
            await super().commit(Commit(appends=commit.appends))
            raise


class ForgetsWhatParks(MemoryLog):
    async def commit(self, commit: Commit) -> None:
        await super().commit(replace(commit, park=()))


class Overtakes(MemoryLog):
    async def read(self, topic: str, partition: int, offset: int, records: int, size: int) -> Sequence[Block]:
        return (await super().read(topic, partition, offset, records, size))[::-1]


class StartsAgain(MemoryLog):
    async def retain(self, topic: str, written_before: float, offsets: Mapping[int, int], *more: Any) -> int:
        deleted = await super().retain(topic, written_before, offsets, *more)
        for partition in offsets:
            self.store.part(topic, partition).clear()
        return deleted


class SleepsOn(MemoryLog):
    async def changed(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def suite_of(kind: type[MemoryLog]) -> LogSuite:
    class Suite(LogSuite):
        async def open(self, clock: HandClock) -> tuple[Log, Books]:
            log = kind(MemoryStore(), clock=clock)
            return log, log

    return Suite()


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (TakesAnyToken, "test_an_older_token_commits_nothing"),
        (TakesAnyToken, "test_nothing_is_kept_of_a_commit_whose_lease_is_lost"),
        (KeepsHalf, "test_nothing_is_kept_of_a_commit_whose_lease_is_lost"),
        (KeepsHalf, "test_nothing_is_kept_of_a_commit_that_was_kept_before"),
        (ForgetsWhatParks, "test_all_of_a_commit_is_kept"),
        (Overtakes, "test_reading_begins_with_the_block_that_holds_the_offset"),
        (StartsAgain, "test_after_retention_offsets_go_on"),
    ],
)
def test_a_log_that_breaks_a_promise_fails(kind: type[MemoryLog], test: str) -> None:
    getattr(suite_of(MemoryLog), test)()
    with pytest.raises((AssertionError, ValueError)):
        getattr(suite_of(kind), test)()


def test_a_log_that_hangs_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onward.conformance.case.PATIENCE", 0.2)
    with pytest.raises(TimeoutError):
        suite_of(SleepsOn).test_a_commit_wakes_who_waits()


def test_what_needs_a_second_handle_is_skipped() -> None:
    with pytest.raises(unittest.SkipTest):
        suite_of(MemoryLog).test_handles_share_leases()
