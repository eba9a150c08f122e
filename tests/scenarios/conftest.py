from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.ground import Ground
from scenarios.targets import Place, PostgresPlace, SQLitePlace


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "disturbed")


@pytest.fixture
def calm(tmp_path: Path) -> Ground:
    """Where the same work is done without any disturbance."""
    return Ground(tmp_path / "undisturbed")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, ground: Ground) -> Iterator[Place]:
    """A database to commit within, of each kind that there is."""
    if request.param == "sqlite":
        yield SQLitePlace(ground.folder)
        return
    made = PostgresPlace(request.getfixturevalue("postgres"))
    yield made
    made.remove()
