"""Killed at any step of a move, and then moved to its end, the app goes on in the new home to where it would have gone.

Given an app that was killed in the midst of its work, with records outstanding, parked, and in another database
when  its store is moved, and the process that moves it is killed in, before or after the n-th write, and started again
then  the app goes on in the new home, and both databases hold what an undisturbed run leaves; the audit is clean.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest
from tests.kills.test_campaign import LIMIT, ROOT, audited, ended, expected, start


@pytest.fixture(scope="module")
def midst(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the databases of an app that was killed when it had told of some, and not of all."""
    for step in range(24, 80, 2):
        folder = tmp_path_factory.mktemp("midst")
        assert start(folder, step, "after") == -9
        with contextlib.closing(apsw.Connection(str(folder / "store.db"))) as store:
            [(told,)] = store.execute("SELECT count(*) FROM record WHERE topic = 'kills.told'").fetchall()
        if told:
            break
    assert 0 < told < sum(map(len, expected()["told"].values())), told  # type: ignore[attr-defined]
    (folder / "old").mkdir()
    for file in folder.glob("store.db*"):
        file.rename(folder / "old" / file.name)
    return folder


def moved(old: str, new: str, step: int = 0, how: str = "before") -> int:
    command = [sys.executable, "-m", "tests.kills.moving", old, new, str(step), how]
    return subprocess.run(command, cwd=ROOT, timeout=LIMIT, check=False).returncode


def went_on(folder: Path) -> None:
    assert audited(folder / "old") == []
    assert audited(folder) == []
    assert start(folder) == 0
    assert ended(folder) == expected()
    assert audited(folder) == []


def killed_then_moved(midst: Path, folder: Path, step: int, how: str) -> bool:
    """Kills it twice at that step, then lets it go on; whether the first was killed at all."""
    shutil.copytree(midst, folder)
    homes = f"sqlite:///{folder / 'old' / 'store.db'}", f"sqlite:///{folder / 'store.db'}"
    first = moved(*homes, step, how)
    assert first in (-9, 0)
    if first:
        assert moved(*homes, step, how) in (-9, 0)
        assert moved(*homes) == 0
    went_on(folder)
    return first == -9


@pytest.mark.parametrize(("how", "stride"), [("before", 7), ("after", 11), ("torn", 150)])
def test_a_kill_at_any_step_of_a_move_leaves_no_trace(midst: Path, tmp_path: Path, how: str, stride: int) -> None:
    kills, step = 0, 1
    with ThreadPoolExecutor(2) as pool:
        while True:
            steps = [step, step + stride]
            found = list(pool.map(lambda at: killed_then_moved(midst, tmp_path / f"{how}{at}", at, how), steps))
            kills += sum(found)
            step += 2 * stride
            if not all(found):
                break
    assert kills >= 3, kills


def test_killed_again_and_again_by_way_of_postgresql(midst: Path, tmp_path: Path, postgres: str) -> None:
    folder = tmp_path / "there and back"
    shutil.copytree(midst, folder)
    deaths = 0
    for homes in (
        (f"sqlite:///{folder / 'old' / 'store.db'}", postgres),
        (postgres, f"sqlite:///{folder / 'store.db'}"),
    ):
        for how in ("before", "after"):
            deaths += moved(*homes, 1 + (how == "after"), how) == -9
        while moved(*homes, 9, ("before", "after")[deaths % 2]) == -9:
            deaths += 1
            assert deaths < 20
        assert moved(*homes) == 0
    assert deaths >= 4
    went_on(folder)
