from collections.abc import Iterator
from pathlib import Path

import pytest

from onward.logs.postgres import PostgresLog
from scenarios.postgres.ground import PostgresGround
from servers.postgres import database, empty


@pytest.fixture(scope="session")
def made_database(postgres_server: str) -> Iterator[str]:
    with database(postgres_server) as url:
        PostgresLog(url)
        yield url


@pytest.fixture
def ground(tmp_path: Path, made_database: str) -> Iterator[PostgresGround]:
    yield PostgresGround(tmp_path / "disturbed", made_database)
    empty(made_database)
