from pathlib import Path

import pytest

from scenarios.ground import Ground


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "disturbed")


@pytest.fixture
def calm(tmp_path: Path) -> Ground:
    """Where the same work is done without any disturbance."""
    return Ground(tmp_path / "undisturbed")
