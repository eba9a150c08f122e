"""`onward demo`: on a store of its own, and twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onward import App, OnwardError
from onward.cli.demo import prepared
from onward.config import Config

from .conftest import HANG, SHOP, Command, until


def test_once_and_again(command: Command) -> None:
    (command.folder / "onward.toml").write_text('store = "sqlite:///mine.db"\n')
    first = command("demo", SHOP, "--once")
    mailed = command.folder / "onward-demo" / "shop" / "mailed.txt"
    assert len(mailed.read_text().splitlines()) == 12
    assert "sqlite:///onward-demo/store.db" in first.stdout and str(mailed) in first.stdout
    assert "not running" in first.stdout
    command("demo", SHOP, "--once")
    assert len(mailed.read_text().splitlines()) == 12
    assert not (command.folder / "mine.db").exists()
    document = command.document("demo", SHOP, "--once", "--store", "sqlite:///other.db")
    assert document["apps"][0]["stages"][0]["done"] == 12 and document["files"] == [str(mailed)]


def test_as_a_service_until_interrupted(command: Command) -> None:
    process = command.start("demo", SHOP)
    mailed = command.folder / "onward-demo" / "shop" / "mailed.txt"
    until(lambda: mailed.exists() and len(mailed.read_text().splitlines()) == 12)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stdout is not None and "shop.mail" in process.stdout.read()


def test_an_app_without_one(command: Command) -> None:
    ended = command("demo", HANG, "--once", exits=2)
    assert "has no demo" in ended.stderr.splitlines()[-1]


def test_an_app_that_nobody_named_and_that_cannot_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = App("good"), App("bad")
    good.demo(lambda folder: {})

    @bad.demo
    def fail(folder: Path) -> dict[str, str]:
        raise OnwardError("install it: pip install thing")

    assert list(prepared([bad, good], tmp_path, Config.read(), named=False)) == ["good"]
    assert "bad is left out: install it" in capsys.readouterr().err
    with pytest.raises(OnwardError, match="install it"):
        prepared([bad, good], tmp_path, Config.read(), named=True)


def test_what_needs_an_extra_that_is_not_there_says_which(command: Command) -> None:
    program = "import sys; sys.modules['httpx2'] = None; from onward.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "demo", "trade", "--once"],
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.splitlines()[-1].endswith("install its client: pip install 'onward[http]'")
