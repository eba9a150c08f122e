"""A file of ours that cannot be made or written: what is said, and that nothing is left."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import apsw
import pytest

from onward.errors import Refused, StoreAway
from onward.sqlite import connection
from onward.sqlite.connection import File, away


def unwritable(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """As for a user who may not write it; whoever runs the tests may write everything."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place and access(path, mode))


@pytest.mark.parametrize("folder", [True, False])
def test_a_store_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool) -> None:
    store = tmp_path / "store.db"
    File(store).close()
    unwritable(monkeypatch, tmp_path if folder else store)
    for create in (True, False):
        with pytest.raises(Refused, match=f"the {'folder' if folder else 'file'} .* may not be written"):
            File(store, create=create)
    monkeypatch.undo()
    File(store).close()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EROFS, "the file system of .* is read-only"),
        (errno.EACCES, "folder .* may not be written by this user"),
        (errno.ENOSPC, "No space left"),
    ],
)
def test_a_store_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str) -> None:
    def fails(path: Any, flags: int, mode: int = 0o777) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(Refused, match=told):
        File(tmp_path / "store.db")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_what_mount_says_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "/dev/disk3s1 on / (apfs, sealed, local)\n//ann@nas/share on /Volumes/my share (smbfs, nodev)\nodd line\n"
    done = subprocess.CompletedProcess(["mount"], 0, told, "")
    monkeypatch.setattr(subprocess, "run", lambda *said, **more: done)
    connection.mounted.cache_clear()
    assert connection.mounted() == [("/", "apfs"), ("/Volumes/my share", "smbfs")]
    connection.mounted.cache_clear()


def test_a_commit_is_on_the_disk_also_on_macos(tmp_path: Path) -> None:
    file = File(tmp_path / "store.db")
    opened = file.connect()
    for pragma, value in (("synchronous", 2), ("fullfsync", 1), ("checkpoint_fullfsync", 1)):
        assert opened.execute(f"PRAGMA {pragma}").fetchall() == [(value,)]
    file.close()


def test_whether_there_is_room_is_asked_of_a_folder_that_is_there(tmp_path: Path) -> None:
    assert connection.room_for(tmp_path / "store.db")[0] in ("ok", "warning")
    state, told = connection.room_for(tmp_path / "a" / "store.db")
    assert state == "failed" and f"there is no folder {tmp_path}/a" in told
    assert not (tmp_path / "a").exists()


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    for create in (True, False):
        with pytest.raises(Refused, match="is a folder, or no file"):
            File(tmp_path, create=create)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"there is no folder {tmp_path}/a/b; make it"):
        File(tmp_path / "a" / "b" / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_stands_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="cannot be made"):
        File(tmp_path / "file" / "store.db")


def test_a_disk_that_becomes_read_only_is_waited_for() -> None:
    error = away(apsw.ReadOnlyError("attempt to write a readonly database"), "/x/store.db")
    assert isinstance(error, StoreAway) and "read-only" in str(error)
