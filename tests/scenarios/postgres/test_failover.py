"""A server that has lost commits.

Given a worker on a server, of which there is an older state: a standby that has fallen behind, or a copy of its files
when  the server dies, and the older state takes its place
then  what was lost is noticed by the worker that saw it kept, also where it has nothing to do, and said; it goes on
      with nothing that this concerns, and with all else; and who is started after that finds a store that is whole.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from onward import App, Checkpoint, Topic
from onward.errors import LeaseLost, StoreWentBack
from onward.events import Trouble
from onward.log import Commit
from onward.logs.postgres import PostgresLog
from scenarios.ground import append, shown, until, until_shown
from scenarios.postgres.ground import PostgresGround
from scenarios.postgres.line import BOUND, KEYS, RECORDS, delivered, program, values
from servers.postgres import Postgres, Standby, own


def feed(wanted: list[int]) -> tuple[App, Topic[Any]]:
    """Brings as many records as are wanted."""
    app = App("feed")
    fed = app.topic("fed", dict)

    @app.source(to=fed)
    def bring(cursor: int | None) -> Iterator[Any]:
        for n in range(cursor or 0, sum(wanted)):
            yield {"n": n}
            yield Checkpoint(n + 1)

    return app, fed


def still() -> tuple[App, Topic[Any], Topic[Any]]:
    """Has nothing to do meanwhile."""
    app = App("still")
    source, out = app.topic("in", dict), app.topic("out", dict)

    @app.stage(source, to=out)
    def copy(value: dict) -> dict:
        return value

    return app, source, out


def standby(server: Postgres, stack: ExitStack) -> Callable[[], None]:
    """What takes the server's place."""
    other = Standby(server)
    stack.callback(other.remove)
    other.stay_behind()

    def takes_over() -> None:
        server.kill()
        other.take_over()

    return takes_over


def backup(server: Postgres, stack: ExitStack) -> Callable[[], None]:
    """As `standby`."""
    copy = server.data.parent / "copy"
    server.stop()
    shutil.copytree(server.data, copy, symlinks=True)
    same_owner(server.data, copy)
    server.start()

    def takes_over() -> None:
        server.kill()
        shutil.rmtree(server.data)
        copy.rename(server.data)
        server.start()

    return takes_over


def same_owner(like: Path, tree: Path) -> None:
    """Copies belong to whom the originals do."""
    owner = like.stat()
    for one in (tree, *tree.rglob("*")):
        shutil.chown(one, owner.st_uid, owner.st_gid)


@pytest.mark.parametrize("older", [standby, backup])
def test_what_was_lost_is_noticed(tmp_path: Path, older: Callable[[Postgres, ExitStack], Callable[[], None]]) -> None:
    wanted = [100]
    line, source, out = program()
    fed_app, fed = feed(wanted)
    still_app, still_in, still_out = still()
    apps = (line, fed_app, still_app)
    with ExitStack() as stack:
        server = stack.enter_context(own("fsync=off"))
        ground = PostgresGround(tmp_path, server.create("line"))

        async def story() -> None:
            async with ground.running(*apps) as worker:
                await append(worker.log, source, values()[: RECORDS // 2])
                await append(worker.log, still_in, [{"n": 1}])
                for topic, count in ((out, RECORDS // 2), (fed, 100), (still_out, 1)):
                    await delivered(ground, topic, count)
                takes_over = await asyncio.to_thread(older, server, stack)
                await append(worker.log, source, values()[RECORDS // 2 :])
                await delivered(ground, out)
                wanted.append(100)
                ground.clock.advance(60)
                await delivered(ground, fed, 200)
                await until(lambda: all(lane.idle for lane in worker.roster.lanes.values()), BOUND)

                await asyncio.to_thread(takes_over)
                names = {"line.pass_on", "feed.bring"}
                await until(lambda: {trouble.name for trouble in ground.seen.of(Trouble)} == names, BOUND)
                for trouble in ground.seen.of(Trouble):
                    assert "has lost commits" in trouble.what
                await append(worker.log, still_in, [{"n": 2}])
                await delivered(ground, still_out, 2)
                assert "has lost commits" in await shown(worker, "line.pass_on")
                await asyncio.to_thread(ground.recount)
                assert len(ground.values(out)) == RECORDS // 2

        asyncio.run(story())
        # Who comes after that knows of nothing: the store is as it was once, and whole.
        ground.put(line, source, *values()[RECORDS // 2 :])
        assert not ground.run(*apps).failed
        assert {key: len(rows) for key, rows in ground.by_key(out).items()} == {
            f"k{k}": RECORDS // KEYS for k in range(KEYS)
        }
        assert [value["n"] for value in ground.values(fed)] == list(range(200))
        ground.recount(empty=True)


def test_a_token_that_is_given_twice_counts_for_the_later_only(ground: PostgresGround) -> None:
    """The one who was given it by the server that died has committed nothing under it yet."""
    line, source, _ = program()
    ground.put(line, source, *values())

    async def story() -> None:
        early, late = PostgresLog(ground.url), PostgresLog(ground.url)
        first = await early.claim("line.pass_on", 0, "early", 10.0)
        ground.sql("DELETE FROM lease")
        second = await late.claim("line.pass_on", 0, "late", 10.0)
        assert first is not None and second is not None and first.lease.token == second.lease.token
        with pytest.raises(LeaseLost):
            await early.commit(Commit(lease=first.lease, finished=[(0, 1)], next=1))
        assert await early.renew({first.lease: "running"}, 10.0) == [first.lease]
        assert await late.renew({second.lease: "running"}, 10.0) == []
        await late.commit(Commit(lease=second.lease, finished=[(0, 1)], next=1))
        for log in (early, late):
            await log.close()

    asyncio.run(story())


def test_what_a_source_has_brought_is_missed_also_by_who_claims(ground: PostgresGround) -> None:
    app, fed = feed([50])

    async def story() -> None:
        async with ground.running(app) as worker:
            await delivered(ground, fed, 50)
            ground.sql("UPDATE source SET emitted = '{}'")
            await until(lambda: ground.seen.of(Trouble), BOUND)
            assert "has lost commits" in await until_shown(worker, "feed.bring", "stopped: ")
            assert "what feed.bring has brought stands at 0 and was at 50" in ground.seen.of(Trouble)[0].what

    asyncio.run(story())


def test_nobody_goes_on_but_who_is_started_after_it_was_noticed(ground: PostgresGround) -> None:
    line, source, _ = program()
    ground.put(line, source, *values())

    async def story() -> None:
        knows, other = PostgresLog(ground.url), PostgresLog(ground.url)
        claim = await knows.claim("line.pass_on", 0, "knows", 10.0)
        assert claim is not None
        await knows.commit(Commit(lease=claim.lease, finished=[(0, 1)], next=1))
        ground.sql("DELETE FROM progress")
        assert await knows.renew({claim.lease: "running"}, 10.0) == [claim.lease]
        for log, name in ((knows, "knows"), (other, "other"), (knows, "knows")):
            with pytest.raises(StoreWentBack, match="has lost commits that it had kept"):
                await log.claim("line.pass_on", 0, name, 10.0)
        after = PostgresLog(ground.url)
        taken = await after.claim("line.pass_on", 0, "after", 10.0)
        assert taken is not None and taken.next == 0
        for log in (knows, other, after):
            await log.close()

    asyncio.run(story())
