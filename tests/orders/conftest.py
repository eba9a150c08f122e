from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.postgres import database

from .target import Target, Targets


@pytest.fixture(scope="session")
def postgres_targets(postgres_server: str) -> Iterator[Targets]:
    with database(postgres_server) as url, Targets.postgres(url) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """An empty target; what uses it is run with each kind."""
    targets = Targets() if request.param == "sqlite" else request.getfixturevalue("postgres_targets")
    with targets(tmp_path) as made:
        yield made
