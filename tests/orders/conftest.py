from pathlib import Path

import pytest

from .target import Target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)
