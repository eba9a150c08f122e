"""An app that runs itself, under a command of its own: pass after pass, with pauses between them.

    @app.command
    def mine(once: bool = False) -> None:
        with Service(app) as service:
            while service.drain() and not once and service.pause(15.0):
                ...

`onward run APP` is what runs apps; this is for those that keep an older contract with their operators.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn

from onward import run as running
from onward.app import App
from onward.config import Config
from onward.errors import StoreAway
from onward.events import Observer, StoreAbsent
from onward.exit import leave
from onward.health import Health, address, serving
from onward.plan import Plan
from onward.run import Signals
from onward.status import AppStatus

__all__ = ["Service"]


class Service:
    """One app in this process, in its main thread.

    The first SIGINT or SIGTERM ends the pass in hand within the grace time, wakes from a pause, and makes
    `stopped` true; the second ends the process at once.

    `settings` are the app's, `store` is the store's URL.

    Args:
        app: to be run; its settings are read at once.
        given: settings by name, over those of the environment and of `onward.toml`.
        store: its URL, else as every command finds it.
        grace: seconds that work in hand has to finish at a stop.
        observers: are told all events.
        health: `HOST:PORT` where to tell over HTTP whether the process is well, also between passes.

    Raises:
        SettingError: the settings cannot be read.
        Refused: `health` is no address, or (as the block is entered) one that cannot be used.
    """

    def __init__(
        self,
        app: App,
        *,
        given: Mapping[str, str] | None = None,
        store: str | None = None,
        grace: float = 10.0,
        observers: Sequence[Observer] = (),
        health: str | None = None,
    ) -> None:
        config = Config.read()
        self.settings: Any = config.settings(app, given)
        self.store = config.store(store)
        self.failed = False
        self._app, self._grace, self._observers = app, grace, list(observers)
        self._health_at = None if health is None else address(health)
        self._served = contextlib.ExitStack()
        self._asked: Callable[[], Health] | None = None
        self._between = Health(True, True, "before the first pass", {})
        self._signals = Signals()
        self._woken = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether a signal asked to stop."""
        return self._woken.is_set()

    def drain(self, *, patience: float = 0.0) -> bool:
        """One pass: every source is called once, then all is delivered that can be. False once stopped.

        `failed` becomes true where a record died, a source failed, a stage is tripped or the store was away.

        Args:
            patience: seconds; how far ahead a retry may be due to be waited for.
        """
        if self.stopped:
            return False
        plan = Plan(once=True, patience=patience, grace=self._grace)
        try:
            ended = running.run(
                [self._app],
                self.store,
                plan,
                {self._app.name: self.settings},
                observers=self._observers,
                health=self._under_way,
            )
            self._between = Health(True, True, "between two passes", {})
        except StoreAway as error:
            self.failed = True
            self._between = Health(True, False, "the store is away", {})
            for observer in self._observers:
                observer(StoreAbsent(str(error), 0.0))
            return not self.stopped
        self.failed = self.failed or ended.report.failed
        if ended.stopped:
            self._woken.set()
        return not self.stopped

    def tell(self, observer: Observer) -> None:
        """Tells one more observer all events of the passes to come."""
        self._observers.append(observer)

    def look(self) -> list[AppStatus]:
        """What the store says of the app now; from any thread that has no event loop, also while a pass is under way.

        Raises:
            OnwardError: the store is away, or not there yet.
        """
        return running.seen([self._app], self.store)

    def pause(self, seconds: float) -> bool:
        """Waits for so many `seconds`. False once stopped, which ends it at once."""
        return not self._woken.wait(seconds)

    def leave(self, code: int) -> NoReturn:
        """Ends the process with this exit `code`, also where a call that cannot be stopped would keep it."""
        leave(code)

    @contextlib.contextmanager
    def _under_way(self, look: Callable[[], Health]) -> Iterator[None]:
        self._asked = look
        try:
            yield
        finally:
            self._asked = None

    def _health(self) -> Health:
        asked = self._asked
        return asked() if asked is not None else self._between

    def __enter__(self) -> Service:
        if self._health_at is not None:
            self._served.enter_context(serving(self._health_at, self._health))
        self._signals.__enter__()
        self._signals.on_first(self._woken.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signals.__exit__(kind, error, trace)
        self._served.close()
