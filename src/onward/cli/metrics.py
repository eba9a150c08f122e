"""`--metrics`: what the processes of a run have counted, and what the store holds."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence

from onward import run as running
from onward.app import App
from onward.events import Observer
from onward.health import Address
from onward.observers.prometheus import PrometheusObserver, StoreCollector, exposing, together
from onward.status import AppStatus


class Metrics:
    """Of these apps, to be served at an address.

    Raises:
        MissingExtra: `onward[metrics]` is not installed.
    """

    def __init__(self, apps: Sequence[App], store: str, at: Address) -> None:
        self._apps, self._store, self._at = apps, store, at
        self._gauges = StoreCollector(self._look)

    @contextlib.contextmanager
    def of_this(self, *, served: bool) -> Iterator[Sequence[Observer]]:
        """The observers of this process. A child's counts are served by its parent, which has told it where to put
        them."""
        observer = PrometheusObserver()
        if not served:
            yield [observer]
            return
        observer.registry.register(self._gauges)
        with exposing(self._at, observer.registry):
            yield [observer]

    @contextlib.contextmanager
    def of_children(self) -> Iterator[None]:
        """Serves what all children count, also those that are gone, while the block runs."""
        with tempfile.TemporaryDirectory(prefix="onward-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            registry = together(folder)
            registry.register(self._gauges)
            with exposing(self._at, registry):
                yield

    def _look(self) -> list[AppStatus]:
        return running.seen(self._apps, self._store)
