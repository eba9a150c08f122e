"""What is shown where: plain text off a terminal, drawings on one."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import threading

import pytest

from onward.cli import show

from .conftest import SHOP, Command


def seen(command: Command, *arguments: str) -> str:
    """What a person sees of a command on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "onward", *arguments],
        cwd=command.folder,
        env=command.environment | {"TERM": "xterm", "COLUMNS": "160"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    bound = threading.Timer(60.0, process.kill)
    bound.start()
    text = b""
    with contextlib.suppress(OSError):  # so the end shows on Linux
        while piece := os.read(ours, 4096):
            text += piece
    os.close(ours)
    assert process.wait() == 0, text
    bound.cancel()
    return text.decode()


def test_off_a_terminal_a_line_is_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    stream = show.Stream("stdout")
    stream.line(("ann", "bold"), " paid\a [12]")
    stream.print("a [bold]text[/bold]\r")
    assert capsys.readouterr().out == "ann paid [12]\na [bold]text[/bold]\n"


def test_a_person_sees_a_drawing(command: Command) -> None:
    run = seen(command, "run", SHOP, "--once")
    assert "all is delivered" in run and "worker" in run and '{"time"' not in run
    status = seen(command, "status")
    assert "\x1b[1m" in status and "shop.bill" in status
    record = seen(command, "read", "orders", "--limit", "1")
    assert "\x1b[2mshop.orders:0:0\x1b[0m" in record
    assert "├──" in seen(command, "trace", "shop.orders:0:0")
    assert "\x1b" not in command("status").stdout + command("trace", "shop.orders:0:0").stdout
