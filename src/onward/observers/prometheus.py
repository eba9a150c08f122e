"""Events as counters for Prometheus, and what a store holds as gauges, looked up at each scrape.

    observer = PrometheusObserver()
    with exposing("127.0.0.1:9000", observer.registry): ...

It needs `onward[metrics]`. Counters are this process's since it began; gauges are the store's, whoever works on it.
Labels are names of what apps declare and the few states that there are, never a key or a position.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import onward
from onward import events
from onward.commit import STATES
from onward.errors import MissingExtra, OnwardError, Refused
from onward.events import Event
from onward.health import Address, address
from onward.status import AppStatus

__all__ = ["PrometheusObserver", "StoreCollector", "exposing"]


class Metric(NamedTuple):
    """One of them; counters are exposed under their name and `_total`."""

    name: str
    says: str
    labels: tuple[str, ...] = ()


COUNTERS = {
    metric.name: metric
    for metric in (
        Metric("onward_records_finished", "Records that a stage has finished.", ("stage",)),
        Metric("onward_records_emitted", "Records that a stage has emitted.", ("stage",)),
        Metric("onward_records_parked", "Records that a stage has parked, in whatever state.", ("stage",)),
        Metric("onward_commits", "Commits of a stage.", ("stage",)),
        Metric("onward_failures", "Calls that failed, by what became of the record.", ("stage", "state")),
        Metric("onward_trips", "Probes of a stage that found the outside away, the trip among them.", ("stage",)),
        Metric("onward_recoveries", "Ends of outages.", ("stage",)),
        Metric("onward_conflicts", "Commits that found another version of a document.", ("stage",)),
        Metric("onward_hung_calls", "Calls that could not be stopped.", ("stage",)),
        Metric("onward_replayed_records", "Records of replays that are over.", ("stage", "outcome")),
        Metric("onward_leases", "Leases of a stage or source, taken and lost.", ("stage", "what")),
        Metric("onward_source_records", "Records that a source has brought, in calls that ended well.", ("source",)),
        Metric("onward_source_calls", "Calls of a source.", ("source", "outcome")),
        Metric("onward_troubles", "Times that something could not go on until somebody acts.", ("name",)),
        Metric("onward_store_absences", "Times that the store could not be used."),
        Metric("onward_retention_blocks", "Blocks that retention has deleted."),
    )
}
SOURCE_SECONDS = Metric("onward_source_seconds", "How long calls of a source took that ended well.", ("source",))

STAGE_RECORDS = Metric("onward_stage_records", "Records that a stage was ever given, by state.", ("stage", "state"))
STAGE_TRIPPED = Metric("onward_stage_tripped", "1 while the outside of a stage is away.", ("stage",))
TOPIC_RECORDS = Metric("onward_topic_records", "Records that a topic keeps now.", ("topic",))
TOPIC_BYTES = Metric("onward_topic_bytes", "Bytes that a topic keeps now.", ("topic",))
STORE_UP = Metric("onward_store_up", "1 if the store could be looked at for this scrape.")
BUILD_INFO = Metric("onward_build_info", "1; the label is the version.", ("version",))

Look = Callable[[], Sequence[AppStatus]]


class PrometheusObserver:
    """Counts the events of a process into `registry`, its own unless one is given.

    Raises:
        MissingExtra: `onward[metrics]` is not installed.
    """

    def __init__(self, registry: Any = None) -> None:
        client = _client()
        self.registry = client.CollectorRegistry() if registry is None else registry
        self._counters = {name: client.Counter(*metric, registry=self.registry) for name, metric in COUNTERS.items()}
        self._seconds = client.Summary(*SOURCE_SECONDS, registry=self.registry)

    def __call__(self, event: Event) -> None:
        match event:
            case events.Committed(stage, _, _, finished, parked, emitted):
                self._count("onward_commits", 1, stage)
                self._count("onward_records_finished", finished, stage)
                self._count("onward_records_parked", parked, stage)
                self._count("onward_records_emitted", emitted, stage)
            case events.Failed(stage=stage, state=state):
                self._count("onward_failures", 1, stage, state)
            case events.Waiting(stage=stage):
                self._count("onward_failures", 1, stage, "waiting")
            case events.Tripped(stage=stage):
                self._count("onward_trips", 1, stage)
            case events.Recovered(stage=stage):
                self._count("onward_recoveries", 1, stage)
            case events.Conflicted(stage=stage):
                self._count("onward_conflicts", 1, stage)
            case events.Stuck(stage=stage) | events.Deaf(stage=stage):
                self._count("onward_hung_calls", 1, stage)
            case events.Replayed(stage=stage, done=done, failed=failed):
                self._count("onward_replayed_records", done, stage, "done")
                self._count("onward_replayed_records", failed, stage, "failed")
            case events.LeaseTaken(stage=stage):
                self._count("onward_leases", 1, stage, "taken")
            case events.LeaseGone(stage=stage):
                self._count("onward_leases", 1, stage, "lost")
            case events.SourceRan(source, records, took):
                self._count("onward_source_calls", 1, source, "ended")
                self._count("onward_source_records", records, source)
                self._seconds.labels(source).observe(took)
            case events.SourceFailed(source=source):
                self._count("onward_source_calls", 1, source, "failed")
            case events.Trouble(name=name):
                self._count("onward_troubles", 1, name)
            case events.StoreAbsent():
                self._count("onward_store_absences", 1)
            case events.Swept(blocks=blocks):
                self._count("onward_retention_blocks", blocks)

    def _count(self, name: str, number: int, *labels: str) -> None:
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(number)


class StoreCollector:
    """Gauges of what a store holds of some apps, for a registry; `look` is called at each scrape, in its thread.

    Where it cannot look, `onward_store_up` is 0 and the others are not there.
    """

    def __init__(self, look: Look) -> None:
        self._client = _client()
        self._look = look

    def describe(self) -> list[Any]:
        return []  # else registering would look

    def collect(self) -> Iterator[Any]:
        yield self._family(BUILD_INFO, [((onward.__version__,), 1)])
        try:
            apps = self._look()
        except (OnwardError, OSError):
            yield self._family(STORE_UP, [((), 0)])
            return
        stages = [stage for app in apps for stage in app.stages]
        topics = [topic for app in apps for topic in app.topics]
        states = ("done", "outstanding", *STATES)
        yield self._family(STORE_UP, [((), 1)])
        yield self._family(STAGE_RECORDS, [((one.name, s), getattr(one, s)) for one in stages for s in states])
        yield self._family(STAGE_TRIPPED, [((one.name,), one.state.startswith("tripped")) for one in stages])
        yield self._family(TOPIC_RECORDS, [((one.name,), one.records) for one in topics])
        yield self._family(TOPIC_BYTES, [((one.name,), one.bytes) for one in topics])

    def _family(self, metric: Metric, samples: Sequence[tuple[tuple[str, ...], float]]) -> Any:
        made = self._client.core.GaugeMetricFamily(metric.name, metric.says, labels=metric.labels)
        for labels, value in samples:
            made.add_metric(labels, float(value))
        return made


def together(folder: str) -> Any:
    """A registry of what processes have counted whose `PROMETHEUS_MULTIPROC_DIR` is this folder, also those that are
    gone."""
    client = _client()
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = client.CollectorRegistry()
    MultiProcessCollector(registry, path=folder)
    return registry


@contextlib.contextmanager
def exposing(at: str | Address, registry: Any) -> Iterator[Address]:
    """Serves a registry at `http://HOST:PORT/metrics` in threads of its own while the block runs; gives its address.

    Args:
        at: `HOST:PORT` or `PORT`; the host is 127.0.0.1 unless said, port 0 is any free one.

    Raises:
        MissingExtra: `onward[metrics]` is not installed.
        Refused: it is no address, or one that cannot be used.
    """
    host, port = address(at) if isinstance(at, str) else at
    client = _client()
    try:
        server, thread = client.start_http_server(port, host, registry)
    except OSError as error:
        raise Refused(f"metrics cannot be served at {host}:{port}: {error.strerror}; name another address") from None
    try:
        yield Address(host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _client() -> Any:
    try:
        import prometheus_client
        import prometheus_client.core
    except ImportError:
        raise MissingExtra("metrics", "telling metrics") from None
    return prometheus_client
