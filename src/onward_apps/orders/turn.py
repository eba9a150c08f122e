"""Whose turn it is, where several instances of a loader share a target in PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from onward import OnwardError

from .place import Target

ASK_AGAIN = 1.0
"""Seconds between two looks at a turn that somebody else has."""


class Turn:
    """At most one instance makes a pass at a time; the others wait, and one goes on as soon as it ends or dies.

    It is a lock of a session of its own, so it also holds where each has a store of its own. Nothing rests on it: a
    delivery takes the target for itself in its transaction, and one that another instance has made does nothing.
    In SQLite whoever writes is alone, and there is nothing to wait for.
    """

    def __init__(self, target: Target, schema: str, process: str, log: logging.Logger) -> None:
        self._target, self._log = target, log
        self._name, self._process = f"onward pass {schema} {process}", process

    @contextmanager
    def held(self, pause: Callable[[float], bool]) -> Iterator[bool]:
        """True once it is ours, until the end of the block; False if the wait was ended.

        Args:
            pause: waits for so many seconds; False: stop.
        """
        if self._target.kind == "sqlite":
            yield True
            return
        try:
            connection = self._target.connect()
        except OnwardError as error:
            self._log.error("%s", error)
            yield True  # what comes of a pass without a target is the worker's to say
            return
        with closing(connection):
            # A host that is cut off closes nothing; the server has to find out, or nobody else would ever go on.
            for setting, value in (("idle", 5), ("interval", 2), ("count", 3)):
                connection.execute(f"SET tcp_keepalives_{setting} = {value}")
            said = False
            while not self._asked(connection):
                if not said:
                    self._log.warning("Another instance of %s is at work on the target; this one waits.", self._process)
                    said = True
                if not pause(ASK_AGAIN):
                    yield False
                    return
            yield True

    def _asked(self, connection: Any) -> bool:
        found = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [self._name]).fetchone()
        return bool(found and found[0])
