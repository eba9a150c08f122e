"""How a process of Onward's ends: at once, also where a call that cannot be stopped would keep it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask to stop; a second one ends the process at once."""

_kept: list[object] = []


def keep(what: object) -> None:
    """Something goes on in it that does not let itself be ended, such as an event loop: it is left as it is."""
    _kept.append(what)


def leave(code: int) -> NoReturn:
    """Ends the process, also where a call that cannot be stopped would keep the interpreter from ending."""
    sys.stdout.flush()
    sys.stderr.flush()
    if _kept:
        os._exit(code)
    others = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    for thread in others:
        thread.join(timeout=0.2)
    if any(thread.is_alive() for thread in others):
        os._exit(code)
    raise SystemExit(code)
