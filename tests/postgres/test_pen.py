"""Pens: what shares a transaction is refused alone, and what the driver has lost is made anew."""

from __future__ import annotations

import asyncio

from onward.conformance.case import IN, app_spec, append
from onward.errors import OtherPartitions
from onward.log import Commit
from onward.logs.postgres import PostgresLog


def test_one_that_is_refused_takes_nobody_along(postgres: str) -> None:
    async def story() -> None:
        log = PostgresLog(postgres)
        await log.declare(app_spec())
        commits = [Commit(appends=[append(n)]) for n in range(20)]
        commits[7] = Commit(appends=[append("bad")._replace(partitions=5)])
        came = await asyncio.gather(*(log.commit(commit) for commit in commits), return_exceptions=True)
        assert [type(one) for n, one in enumerate(came) if one is not None] == [OtherPartitions]
        assert (await log.news([IN], [])).ends[IN, 0] == 19
        await log.close()

    asyncio.run(story())


def test_statements_that_are_prepared_no_more_are_prepared_anew(postgres: str) -> None:
    """As behind a pooler that gives a session to another."""

    async def story() -> None:
        log = PostgresLog(postgres)
        await log.declare(app_spec())
        for n in range(5):
            await log.commit(Commit(appends=[append(n)]))
        for pen in log._pens._pens:
            if (connection := pen._connection) is not None:
                connection.pgconn.exec_(b"DEALLOCATE ALL")  # which the driver does not see
        await asyncio.gather(*(log.commit(Commit(appends=[append(n)])) for n in range(5)))
        assert (await log.news([IN], [])).ends[IN, 0] == 10
        await log.close()

    asyncio.run(story())
