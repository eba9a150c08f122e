"""Behind a pooler: one that leaves a session to its client will do, one that does not is refused at once."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from onward.conformance.case import IN, WORK, app_spec, append
from onward.errors import Refused
from onward.log import Commit
from onward.logs.postgres import PostgresLog
from servers.pgbouncer import pooled


def test_in_session_mode_a_store_is_as_any_other(postgres: str) -> None:
    async def story(url: str) -> None:
        log = PostgresLog(url, listen=True)
        await log.declare(app_spec())
        claim = await log.claim(WORK, 0, "one/1/2/3", 60.0)
        assert claim is not None
        await log.commit(Commit(lease=claim.lease, finished=[(0, 1)], next=1, appends=[append("x")]))
        assert (await log.news([IN], [WORK])).ends[IN, 0] == 1
        assert len(await log.read(IN, 0, 0, 10, 1_000)) == 1
        await log.close()

    with pooled(postgres, "session") as url:
        asyncio.run(story(url))


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_one_that_gives_sessions_to_others_is_refused(postgres: str, mode: str) -> None:
    with pooled(postgres, mode) as url:
        with pytest.raises(Refused, match="session mode"):
            PostgresLog(url)
        with psycopg.connect(url, autocommit=True) as other:  # nothing of it stays on sessions that others get
            assert other.execute("SELECT current_setting('statement_timeout')").fetchone() == ("0",)
