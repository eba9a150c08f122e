"""What a loader has done, as metrics for Prometheus; counted after the commit, and served beside the work.

Counters are of this process since it began; what is pending is looked up in the store at each scrape.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from onward import OnwardError, __version__
from onward.errors import MissingExtra, Refused
from onward.events import Event, Failed, Tripped, Waiting
from onward.observers.prometheus import PrometheusObserver, StoreCollector, exposing
from onward.status import AppStatus

from .model import EVENTS, Delivery, Entity, Notified

DELIVERIES = ("delivered", "repeated", "failed", "stopped", "waiting", "dry_run")
NOTIFICATIONS = ("published", "repeated", "failed")
PHASES = ("fetch", "parse", "diff", "persist", "publish")
SEVERAL = "several"
"""Stands for the entity of what a transaction file over several tables has counted as a whole."""

_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800)

Look = Callable[[], Sequence[AppStatus]]
Watch = Callable[[Delivery | Notified], None]


def tell(watching: Sequence[Watch], what: Delivery | Notified, log: logging.Logger) -> bool:
    """Tells all who watch, whose failures never touch the work; whether there is anybody."""
    for watch in watching:
        try:
            watch(what)
        except Exception:
            log.exception("a metric could not be counted")
    return bool(watching)


class LoaderMetrics:
    """Counts what it sees; an observer of the worker's events, too. `registry` has the worker's own metrics besides.

    Raises:
        MissingExtra: `onward[metrics]` is not installed.
    """

    def __init__(self, process: str, entities: Sequence[Entity], look: Look) -> None:
        self._worker = PrometheusObserver()
        import prometheus_client as client

        self._client, self._process, self._look = client, process, look
        self.registry = self._worker.registry

        def made(kind: Any, name: str, says: str, *labels: str, **more: Any) -> Any:
            return kind(f"loader_{name}", says, ["process", *labels], registry=self.registry, **more)

        counter, gauge = client.Counter, client.Gauge
        self._events = made(counter, "events", "Events of deliveries.", "entity", "event_type")
        self._deliveries = made(counter, "deliveries", "Files, by what became of them.", "outcome")
        self._rows = made(counter, "rows_read", "Rows of files that were delivered.", "entity")
        self._ignored = made(counter, "rows_ignored", "Rows that were left aside.", "entity", "reason")
        self._notifications = made(counter, "notifications", "Change messages.", "outcome")
        self._seconds = made(client.Histogram, "delivery_seconds", "Seconds.", "phase", buckets=_BUCKETS)
        self._last = made(gauge, "last_delivery_id", "Of the last delivery of this process.")
        self._last_at = made(gauge, "last_delivery_timestamp_seconds", "When it was, as Unix time.")
        self._lag = made(gauge, "source_lag_seconds", "Age that the last file had when it was delivered.")
        info = client.Gauge("loader_build_info", "1; the label is the version.", ["version"], registry=self.registry)
        info.labels(__version__).set(1)
        for entity in entities:
            self._rows.labels(process, entity.name)
            for event in EVENTS:
                self._events.labels(process, entity.name, event)
        for metric, values in (
            (self._deliveries, DELIVERIES), (self._notifications, NOTIFICATIONS), (self._seconds, PHASES),
        ):  # fmt: skip
            for value in values:
                metric.labels(process, value)
        self.registry.register(StoreCollector(look))
        self.registry.register(self)

    def see(self, what: Delivery | Notified) -> None:
        """A delivery that is committed, or a message that is kept."""
        if isinstance(what, Notified):
            self._notifications.labels(self._process, "repeated" if what.repeated else "published").inc()
            self._seconds.labels(self._process, "publish").observe(what.seconds)
        elif what.repeated:
            self._deliveries.labels(self._process, "repeated").inc()
        else:
            self._delivered(what)

    def would(self) -> None:
        """A file that a dry run would have delivered; nothing else is counted of it."""
        self._deliveries.labels(self._process, "dry_run").inc()

    def __call__(self, event: Event) -> None:
        self._worker(event)
        match event:
            case Failed(stage=stage, error=error) if stage == f"{self._process}.deliver":
                if event.state == "dead":
                    self._deliveries.labels(self._process, "stopped").inc()
                elif error is not None:
                    self._deliveries.labels(self._process, "failed").inc()
            case Waiting(stage=stage) if stage == f"{self._process}.deliver":
                self._deliveries.labels(self._process, "waiting").inc()
            case Failed(stage=stage) | Tripped(stage=stage) if stage == f"{self._process}.notify":
                self._notifications.labels(self._process, "failed").inc()

    def describe(self) -> list[Any]:
        return []  # else registering would look

    def collect(self) -> Iterator[Any]:
        try:
            left = {stage.name: stage.left for app in self._look() for stage in app.stages}
        except (OnwardError, OSError):
            return
        for name, says, stage in (
            ("loader_files_pending", "Files that were found and are not delivered.", "deliver"),
            ("loader_outbox_pending", "Change messages that are not published.", "notify"),
        ):
            family = self._client.core.GaugeMetricFamily(name, says, labels=["process"])
            family.add_metric([self._process], left.get(f"{self._process}.{stage}", 0))
            yield family

    def _delivered(self, delivery: Delivery) -> None:
        process, now = self._process, time.time()
        entity = SEVERAL if "," in delivery.entity else delivery.entity or SEVERAL
        self._deliveries.labels(process, "delivered").inc()
        self._rows.labels(process, entity).inc(delivery.rows_read)
        for reason, rows in delivery.ignored.items():
            self._ignored.labels(process, entity, reason).inc(rows)
        for name, counts in delivery.by_entity.items():
            for event, number in counts.items():
                self._events.labels(process, name, event).inc(number)
        for phase, seconds in delivery.phases.items():
            self._seconds.labels(process, phase).observe(seconds)
        self._last.labels(process).set(delivery.delivery_id)
        self._last_at.labels(process).set(now)
        if delivery.modified is not None:
            self._lag.labels(process).set(max(0.0, now - delivery.modified.timestamp()))


class Exposition:
    """Serves metrics at an address, empty for none. What keeps it from that is said, and keeps the loader from nothing:
    an address in use is tried again before each pass.
    """

    def __init__(self, at: str, log: logging.Logger) -> None:
        self._at, self._log = at, log
        self._metrics: LoaderMetrics | None = None
        self._stack = contextlib.ExitStack()
        self._served = self._said = False

    def of(self, process: str, entities: Sequence[Entity], look: Look) -> LoaderMetrics | None:
        """Those that it is to serve; None where none are wanted, or they are not installed."""
        if self._at:
            try:
                self._metrics = LoaderMetrics(process, entities, look)
            except MissingExtra as error:
                self._log.warning("There are no metrics: %s", error)
        return self._metrics

    def serve(self) -> None:
        """Does so if it does not yet."""
        if self._served or self._metrics is None:
            return
        try:
            host, port = self._stack.enter_context(exposing(self._at, self._metrics.registry))
        except Refused as error:
            self._say(str(error))
            return
        self._served = True
        self._log.info("Metrics: http://%s:%d/metrics.", host, port)

    def _say(self, why: str) -> None:
        if not self._said:
            self._said = True
            self._log.error("There are no metrics: %s", why)

    def __enter__(self) -> "Exposition":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
