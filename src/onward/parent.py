"""A parent: it keeps several processes with the same work running, and does no work itself.

Children are spawned, never forked, in sessions of their own, so that a terminal's signals reach them only through
the parent. The standard input of each is a pipe that nobody writes to: when the parent is gone it ends, and so do
they. The parent reaps whoever is left to it, as process number 1 must.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

from onward.events import Event, Observer, ProcessEnded
from onward.exit import STOPPING
from onward.health import Health

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds until a child that died is started again."""

HEALTHY = 60.0
"""Seconds after which a child that dies counts as having run well."""

LOOK = 0.05


class Child:
    """One of them: its process, or when there will be one again."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.code: int | None = None
        self.told = False
        self.since = 0.0
        self.due = 0.0
        self.wait = FIRST_WAIT


class Parent:
    """Runs `count` children until all have ended.

    As a service, a child that dies is started again, later each time that it dies soon; one that says that its
    configuration is wrong (2) ends all. Under `once` none is started again, and when child 0 has ended the others
    are told to.

    Args:
        command: the command line of the child with a number.
        observers: are told of each that ends by itself.
    """

    def __init__(
        self, command: Callable[[int], Sequence[str]], count: int, *, once: bool, observers: Sequence[Observer] = ()
    ) -> None:
        self._command = command
        self._children = [Child(number) for number in range(count)]
        self._once = once
        self._observers = observers
        self._heard = 0
        self._ending = False

    def run(self) -> int:
        """Returns the worst exit code, 0 being the best. Exits with 130 or 143 on a second signal."""
        for number in STOPPING:
            signal.signal(number, self._come)
        for child in self._children:
            self._spawn(child)
        while any(child.process is not None or child.due for child in self._children):
            self._reap()
            if self._ending:
                self._tell()
            for child in self._children:
                if child.due and time.monotonic() >= child.due:
                    self._spawn(child)
            time.sleep(LOOK)
        return max(child.code or 0 for child in self._children)

    def health(self) -> Health:
        """Whether all of them run; from any thread. Each child's own state is in the store."""
        parts = {
            f"process {child.number}": "running" if child.process is not None else "ended" for child in self._children
        }
        down = [name for name, state in parts.items() if state != "running"]
        told = f"{', '.join(down)} does not run" if down else "at work"
        return Health(True, not down and not self._ending, told, parts)

    def _spawn(self, child: Child) -> None:
        child.due = 0.0
        if self._ending:
            return
        child.process = subprocess.Popen(
            list(self._command(child.number)), stdin=subprocess.PIPE, start_new_session=True
        )
        child.since = time.monotonic()
        child.told = False

    def _reap(self) -> None:
        if sys.platform == "win32":
            for child in self._children:
                if child.process is not None and (code := child.process.poll()) is not None:
                    self._ended(child, code)
            return
        while True:
            try:
                number, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if number == 0:
                return
            for child in self._children:
                if child.process is not None and child.process.pid == number:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        process, child.process = child.process, None
        assert process is not None
        process.returncode = code
        if process.stdin is not None:
            process.stdin.close()
        # One that was told to end before it had begun has done nothing wrong.
        child.code = 0 if self._ending and code == -signal.SIGTERM else code if code >= 0 else 128 - code
        if self._once:
            if child.number == 0:
                self._end()
            elif code not in (0, 1):
                self._observe(ProcessEnded(child.number, child.code, None))
        elif code == 2:
            self._end()
        elif not self._ending:
            lived = time.monotonic() - child.since
            child.wait = FIRST_WAIT if lived >= HEALTHY else child.wait
            child.due = time.monotonic() + child.wait
            self._observe(ProcessEnded(child.number, child.code, child.wait))
            child.wait = min(child.wait * 2, LONGEST_WAIT)

    def _observe(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)

    def _come(self, number: int, frame: FrameType | None) -> None:
        self._heard += 1
        self._end()
        if self._heard > 1:
            for child in self._children:
                if child.process is not None:
                    child.process.kill()
            os._exit(128 + number)

    def _end(self) -> None:
        self._ending = True

    def _tell(self) -> None:
        """Tells each child once to end. Not from the signal's handler: a child that is being spawned just then would
        not be among them, and one that is told twice ends at once."""
        for child in self._children:
            if child.due:
                child.due, child.code = 0.0, 0
            if child.process is not None and not child.told:
                child.told = True
                # Not `terminate()`, which reaps one that has just ended: then nobody would learn that it has.
                os.kill(child.process.pid, signal.SIGTERM)
