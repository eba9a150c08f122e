"""A process by name: whether it is the one that it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from onward import process


def test_a_living_process_is_not_dead_and_one_that_is_gone_is() -> None:
    name = process.new_name()
    host, number, _, nonce = name.split("/")
    assert not process.is_dead(name)
    assert process.is_dead(f"{host}/{number}/earlier/{nonce}")
    assert not process.is_dead(f"elsewhere/{number}/earlier/{nonce}")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert process.is_dead(f"{host}/{child.pid}/1/{nonce}")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no ps")
def test_where_there_is_no_proc_ps_tells_the_same_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    started = process._by_ps(os.getpid())
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert started.count("-") == 4 and process._by_ps(os.getpid()) == started
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process._by_ps(child.pid) == ""  # it has ended, and nobody has asked how
    child.wait()
    assert process._by_ps(child.pid) == ""
