"""Folders and buckets answer alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onward.connect import objects
from onward.connect.objects import Folder, Objects, open_objects
from onward.errors import MissingExtra, ObjectGone, Refused, Unavailable
from onward.settings import masked
from servers.s3 import S3, SECRET

Put = Callable[[str, bytes], None]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Objects, Put, Callable[[str], None]]:
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3")
        url = s3.url("data")
        return open_objects(url), lambda key, body: s3.put(f"data/{key}", body), lambda key: s3.delete(f"data/{key}")

    def put(key: str, body: bytes) -> None:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(body)

    return open_objects(tmp_path.as_uri()), put, lambda key: (tmp_path / key).unlink()


def test_they_are_listed_by_the_bytes_of_their_keys(place: Any) -> None:
    files, put, _ = place
    assert list(files.list("dbo/x/")) == [] and files.names() == []
    for key in ("dbo/x/b.csv", "dbo/x/2025/01/a.csv", "dbo/x/B.csv", "dbo/xy/a.csv", "top.csv"):
        put(key, b"1\n" * len(key))
    assert [found.key for found in files.list("dbo/x/")] == ["dbo/x/2025/01/a.csv", "dbo/x/B.csv", "dbo/x/b.csv"]
    assert [found.key for found in files.list("dbo/x/", after="dbo/x/2025/01/a.csv")] == ["dbo/x/B.csv", "dbo/x/b.csv"]
    assert [found.key for found in files.list("dbo/x/", after="dbo/x/3")] == ["dbo/x/B.csv", "dbo/x/b.csv"]
    assert len(list(files.list())) == 5
    assert (files.names(), files.names("dbo/")) == (["dbo/", "top.csv"], ["x/", "xy/"])
    found = next(files.list("dbo/x/"))
    assert (found.size, found.modified.utcoffset().total_seconds()) == (38, 0)


def test_more_than_a_page(s3: S3) -> None:
    for number in range(1_005):
        s3.put(f"many/{number:05}", b"")
    assert [found.key for found in open_objects(s3.url("many")).list()] == [f"{number:05}" for number in range(1_005)]


def test_content_is_read_in_pieces_and_only_that_content(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files, put, delete = place
    monkeypatch.setattr(objects, "RANGE", 3 * objects.PIECE)
    body = os.urandom(5 * objects.PIECE + 7)
    put("dbo/x/a.bin", body)
    [found] = files.list("dbo/x/")
    name = files.identity(found)
    pieces = list(files.read(found.key, name))
    assert b"".join(pieces) == body and len(pieces) > 1
    put("dbo/x/a.bin", b"other" * 10)
    with pytest.raises(ObjectGone, match=r"dbo/x/a.bin"):
        list(files.read(found.key, name))
    [again] = files.list("dbo/x/")
    assert again.mark != found.mark and files.identity(again) != name
    delete("dbo/x/a.bin")
    with pytest.raises(ObjectGone):
        list(files.read(again.key, files.identity(found) if isinstance(files, objects.Bucket) else name))


def test_an_empty_one_has_no_pieces(place: Any) -> None:
    files, put, _ = place
    put("dbo/x/a.csv", b"")
    [found] = files.list("dbo/x/")
    assert list(files.read(found.key, files.identity(found))) == []


def test_one_that_is_replaced_while_it_is_read_is_seen(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files, put, _ = place
    monkeypatch.setattr(objects, "RANGE", objects.PIECE)
    put("dbo/x/a.bin", b"1" * 3 * objects.PIECE)
    [found] = files.list("dbo/x/")
    pieces = files.read(found.key, files.identity(found))
    next(pieces)
    put("dbo/x/a.bin", b"2" * 3 * objects.PIECE)
    with pytest.raises(ObjectGone):
        list(pieces)


def test_the_secret_is_known_as_one_and_where_it_is_says_none(s3: S3) -> None:
    files = open_objects(s3.url("data"))
    assert files.where == f"s3://{s3.bucket}/data"
    assert masked(f"it is {SECRET}") == "it is ***"


def test_a_bucket_that_is_away_or_not_there_says_so_in_a_line(s3: S3) -> None:
    for url in ("s3://lake/data?endpoint=http://127.0.0.1:9&key=k&secret=k", s3.url().replace(s3.bucket, "no-such")):
        files = open_objects(url)
        for ask in (lambda f: list(f.list("dbo/")), lambda f: f.names(), lambda f: f.doctor()):
            with pytest.raises(Unavailable, match=r"^s3://(lake|no-such)[^\n]*$"):
                ask(files)
    with pytest.raises(Unavailable):
        list(open_objects("s3://lake/x?endpoint=http://127.0.0.1:9&key=k&secret=k").read("a", "b"))


def test_a_missing_extra_says_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[objects\]'"):
        open_objects("s3://lake/data")


@pytest.mark.parametrize("url", ["ftp://x/y", "file://host/x", "s3://b/p?user=x", "gs://b/p?key=x"])
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        open_objects(url)


def test_it_tells_a_doctor_whether_it_is_there(place: Any) -> None:
    files, put, _ = place
    put("dbo/a.csv", b"1\n")
    assert files.doctor() in (f"{files.where} is there", f"{files.where} can be read")


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert "is not there yet" in open_objects(str(tmp_path / "data")).doctor()


def test_a_plain_path_is_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_objects(str(tmp_path)), Folder) and open_objects("data").where == "data"
    with pytest.raises(ObjectGone):
        open_objects(str(tmp_path)).identity(objects.Object("no", 0, None, ""))  # type: ignore[arg-type]
