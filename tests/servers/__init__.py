"""Real servers for tests: each on a free loopback port with a folder of its own, started once per test process.

A server that somebody runs already is taken instead where its variable says so (`ONWARD_TEST_POSTGRES`, ...). One that
is not there is installed where that is allowed (root on a machine with Debian's packages); else the tests that need it
are reported as not run, by name, at the end of the run, and where `CI` is set they fail.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

NOT_RUN = "not run: "


def not_run(why: str) -> None:
    """Ends a test that needs what this machine has not got; never returns."""
    if os.environ.get("CI"):
        pytest.fail(f"{why}; in CI it has to be there", pytrace=False)
    pytest.skip(NOT_RUN + why)


def installed(program: Callable[[], Path | None], package: str) -> Path:
    """Where a program is, installed from Debian's package first if need be and allowed; else the test is not run."""
    if found := program():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        not_run(f"{package} is not installed (on Debian: apt-get install {package})")
    with open(Path(tempfile.gettempdir()) / "onward-tests-apt", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # several test processes come here at once
        if not program():
            _apt("update")
            _apt("install", "-y", "--no-install-recommends", package)
    if found := program():
        return found
    not_run(f"{package} could not be installed")
    raise AssertionError


def on_path(name: str) -> Callable[[], Path | None]:
    """Looks for a program on the path."""
    return lambda: Path(found) if (found := shutil.which(name)) else None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listening(port: int, process: subprocess.Popen[bytes], name: str, seconds: float = 60.0) -> None:
    """Waits until somebody listens on a loopback port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < end, f"{name} did not start"
            time.sleep(0.02)


def unprivileged(command: Sequence[str | Path]) -> list[str]:
    """The command as nobody, for servers that refuse to run as root."""
    plain = [str(part) for part in command]
    if os.geteuid() != 0:
        return plain
    away = ["env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"]
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *away, *plain]


def folder(name: str) -> Path:
    """A new folder that nobody may write to as well; outside pytest's own, which only its owner may enter."""
    made = Path(tempfile.mkdtemp(prefix=f"onward-{name}-"))
    if os.geteuid() == 0:
        os.chown(made, 65534, 65534)
    return made


def _apt(*command: str) -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", *command], env=quiet, stdout=subprocess.DEVNULL, timeout=600, check=False)
