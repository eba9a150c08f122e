"""A parent with children that are small programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import onward
from onward.parent import Parent

PARENT = """
import sys
from onward.parent import Parent
def say(event):
    print(event.process, event.code, event.again_in, flush=True)
programs = sys.argv[2:]
def command(number):
    return [sys.executable, "-c", programs[number]]
once = sys.argv[1] == "once"
sys.exit(Parent(command, len(programs), once=once, observers=[say]).run())
"""
LONG = (
    "import os, signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); "
    "os.write(1, b'up\\n'); time.sleep(60)"  # one write, as several children share the pipe
)


def _parent(how: str, *programs: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(onward.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, how, *programs], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_once_the_first_leads_and_the_worst_code_counts() -> None:
    parent = _parent("once", "import time; time.sleep(0.5)", LONG, "import sys; sys.exit(1)")
    assert parent.wait(20) == 1


def test_who_is_told_to_end_before_it_began_has_not_failed() -> None:
    parent = _parent("once", "pass", "import time; time.sleep(60)")
    assert parent.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(number: int) -> None:
    parent = _parent("service", LONG, LONG)
    assert parent.stdout is not None
    assert [parent.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
    parent.send_signal(number)
    assert parent.wait(20) == 0


def test_a_second_signal_ends_all_at_once() -> None:
    parent = _parent("service", "import signal, time; signal.signal(15, lambda *_: print('told', flush=True)); "
                     "print('up', flush=True); time.sleep(60)")  # fmt: skip
    assert parent.stdout is not None and parent.stdout.readline() == "up\n"
    parent.send_signal(signal.SIGTERM)
    assert parent.stdout.readline() == "told\n"
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 143


def test_a_wrong_configuration_ends_all() -> None:
    parent = _parent("service", LONG, "import sys; sys.exit(2)")
    assert parent.wait(20) == 2


def test_one_that_dies_is_started_again(tmp_path: Path) -> None:
    count = tmp_path / "count"
    parent = _parent("service", f"import os; open({str(count)!r}, 'a').write('x'); os.kill(os.getpid(), 9)")
    assert parent.stdout is not None
    assert parent.stdout.readline() == "0 137 1.0\n"
    assert parent.stdout.readline() == "0 137 2.0\n"
    assert count.read_text() == "xx"
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no child is reaped there")
def test_one_that_ends_just_before_it_is_told_to_is_seen_to_have_ended() -> None:
    parent = Parent(lambda number: [sys.executable, "-c", "pass"], 1, once=False)
    (child,) = parent._children
    parent._spawn(child)
    assert child.process is not None
    os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
    parent._end()
    parent._tell()
    parent._reap()
    assert (child.process, child.code) == (None, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs to adopt orphans")
def test_orphans_are_reaped() -> None:
    adopt = "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
    orphan = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'pass']); print('left', flush=True)"
    parent = subprocess.Popen(
        [sys.executable, "-c", adopt + PARENT, "service", f"{orphan}\nimport time; time.sleep(60)"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(onward.__file__).parents[1])},
    )
    assert parent.stdout is not None and parent.stdout.readline() == "left\n"
    end = time.monotonic() + 10
    while "Z" in _states(parent.pid):
        assert time.monotonic() < end
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 0


def _states(pid: int) -> str:
    found = subprocess.run(["ps", "-o", "stat=", "--ppid", str(pid)], capture_output=True, text=True)
    return found.stdout
