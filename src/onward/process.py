"""Processes by name: host, process number, start and a nonce, so that a dead one is told from a living one."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import uuid
import zlib
from functools import cache
from pathlib import Path


def new_name() -> str:
    """A name for a worker of this process: `HOST~WHERE/PID/START/NONCE`. WHERE tells apart what has one host name:
    machines, containers, and a machine before and after a restart."""
    return f"{_host()}/{os.getpid()}/{_started(os.getpid())}/{os.urandom(3).hex()}"


def is_dead(name: str) -> bool:
    """Whether the process of that worker ran on this machine, since it was started and among the processes that are
    seen here, and is gone. Of others nothing is known."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != _host() or not parts[1].isdigit():
        return False
    return _started(int(parts[1])) != parts[2]


def spare_the_collector() -> None:
    """For a process that does nothing but run a worker: collects garbage less often.

    Records come and go by the thousand without a cycle among them; at its defaults the collector looks through
    them three times for each unit and finds nothing.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@cache
def _host() -> str:
    try:
        where = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux
        where = f"{uuid.getnode()}"
    return f"{socket.gethostname()}~{zlib.crc32(where.encode()):08x}"


def _started(pid: int) -> str:
    """What tells this process from an earlier one with the same number; empty where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        state, *rest = stat.rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    return _by_ps(pid)


def _by_ps(pid: int) -> str:
    """The same where there is no /proc. In one time zone and language, whatever those of the process are that asks."""
    command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    plain = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC0"}
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, env=plain)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    state, *started = found.stdout.split() or [""]
    return "" if state.startswith("Z") else "-".join(started)
