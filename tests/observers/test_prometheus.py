"""Events as metrics, scraped over HTTP as Prometheus does."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
import sys
import typing
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from onward import App, Drop, Retry, events
from onward.errors import MissingExtra, OnwardError, Refused
from onward.health import Address
from onward.observers import prometheus
from onward.observers.prometheus import COUNTERS, PrometheusObserver, StoreCollector, exposing
from onward.plan import Plan
from onward.run import run, seen
from onward.status import AppStatus, StageStatus, TopicStatus

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(at: Address) -> str:
    with urllib.request.urlopen(f"http://{at.host}:{at.port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def samples(text: str) -> Samples:
    from prometheus_client.parser import text_string_to_metric_families as families

    return {(one.name, frozenset(one.labels.items())): one.value for all_ in families(text) for one in all_.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def exposed(*observed: events.Event, look: Any = None) -> str:
    observer = PrometheusObserver()
    for event in observed:
        observer(event)
    if look is not None:
        observer.registry.register(StoreCollector(look))
    with exposing("0", observer.registry) as at:
        return scrape(at)


def test_commits_and_failures_are_counted_by_stage() -> None:
    committed = events.Committed("shop.bill", 0, 9, 5, 1, 4)
    dead = events.Failed("shop.bill", "shop.orders:0:7", "c2", 2, "dead", "why", None)
    tripped = events.Tripped("shop.mail", "away", 1.0)
    found = samples(exposed(committed, committed, dead, tripped, tripped))
    assert value(found, "onward_records_finished_total", stage="shop.bill") == 10
    assert value(found, "onward_records_emitted_total", stage="shop.bill") == 8
    assert value(found, "onward_records_parked_total", stage="shop.bill") == 2
    assert value(found, "onward_commits_total", stage="shop.bill") == 2
    assert value(found, "onward_failures_total", stage="shop.bill", state="dead") == 1
    assert value(found, "onward_trips_total", stage="shop.mail") == 2


def test_calls_of_sources_are_counted_and_timed() -> None:
    ran = [events.SourceRan("shop.poll", 3, 0.5), events.SourceRan("shop.poll", 0, 0.25)]
    found = samples(exposed(*ran, events.SourceFailed("shop.poll", ValueError("x"), 1.0)))
    assert value(found, "onward_source_records_total", source="shop.poll") == 3
    assert value(found, "onward_source_calls_total", source="shop.poll", outcome="ended") == 2
    assert value(found, "onward_source_calls_total", source="shop.poll", outcome="failed") == 1
    assert value(found, "onward_source_seconds_sum", source="shop.poll") == 0.75


def all_events() -> Sequence[events.Event]:
    """One of each, whose texts would show in a label."""
    some: dict[object, Any] = {str: "free text", int: 1, float: 1.0, bool: True, BaseException: ValueError("free text")}
    made = []
    for class_ in {getattr(events, one.__name__) for one in events.Event.__subclasses__()}:
        hints = typing.get_type_hints(class_)
        fields = {field.name: some.get(hints[field.name]) for field in dataclasses.fields(class_)}
        names = {name: "shop.name" for name in ("stage", "source", "name") if name in fields}
        made.append(class_(**{**fields, **names, **({"state": "dead"} if "state" in fields else {})}))
    return made


def test_no_event_harms_it_and_labels_are_names_and_states_only() -> None:
    text = exposed(*all_events())
    values = {label for _, labels in samples(text) for _, label in labels}
    assert "free text" not in text
    assert values == {"shop.name", "dead", "waiting", "done", "failed", "taken", "lost", "ended"}


def test_what_the_store_holds_is_looked_up_at_each_scrape() -> None:
    stages = [StageStatus("shop.bill", "shop.orders", 9, 3, 2, retrying=1, dead=3, state="tripped: away")]
    app = AppStatus("shop", [], stages, [TopicStatus("shop.orders", 9, 1, 700)])
    found = samples(exposed(look=lambda: [app]))
    told = {state: value(found, "onward_stage_records", stage="shop.bill", state=state) for state in ("done", "dead")}
    assert told == {"done": 3, "dead": 3}
    by_state = [number for (name, _), number in found.items() if name == "onward_stage_records"]
    assert sum(by_state) == 9  # the conservation rule
    assert value(found, "onward_stage_tripped", stage="shop.bill") == 1
    assert value(found, "onward_topic_bytes", topic="shop.orders") == 700
    assert value(found, "onward_store_up") == 1


def test_a_store_that_is_away_is_told_and_counters_are_there() -> None:
    def look() -> list[AppStatus]:
        raise OnwardError("away")

    found = samples(exposed(events.Swept(3, 0, 0.1), look=look))
    assert value(found, "onward_store_up") == 0
    assert value(found, "onward_retention_blocks_total") == 3


def test_a_run_is_counted_as_it_was(tmp_path: Path) -> None:
    app = App("shop")
    orders = app.topic("orders", int, key=str)
    bills = app.topic("bills", int)

    @app.source(to=orders, every="1h")
    def arrive(cursor: int | None) -> Any:
        yield from range(20)

    @app.stage(orders, to=bills, retry=Retry(attempts=1))
    def bill(number: int) -> int | Drop:
        if number == 3:
            raise ValueError("bad")
        return Drop("odd") if number % 2 else number

    store, observer = f"sqlite:///{tmp_path}/s.db", PrometheusObserver()
    observer.registry.register(StoreCollector(lambda: seen([app], store)))
    with exposing("127.0.0.1:0", observer.registry) as at:
        assert value(samples(scrape(at)), "onward_store_up") == 0  # there is none yet
        run([app], store, Plan(once=True), {}, observers=[observer])
        found = samples(scrape(at))
    assert value(found, "onward_records_finished_total", stage="shop.bill") == 19
    assert value(found, "onward_records_emitted_total", stage="shop.bill") == 10
    assert value(found, "onward_source_records_total", source="shop.arrive") == 20
    assert value(found, "onward_failures_total", stage="shop.bill", state="dead") == 1
    assert value(found, "onward_stage_records", stage="shop.bill", state="done") == 19
    assert value(found, "onward_stage_records", stage="shop.bill", state="dead") == 1


def test_two_observers_share_nothing() -> None:
    PrometheusObserver()(events.Recovered("shop.bill"))
    assert "shop.bill" not in exposed()


def test_an_address_that_is_taken_or_none_is_refused() -> None:
    registry = PrometheusObserver().registry
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"127.0.0.1:{port}: Address already in use"), exposing(f"{port}", registry):
            pass
    with pytest.raises(Refused, match="is no address"), exposing("here", registry):
        pass


def test_without_the_extra_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match=r"onward\[metrics\]"):
        PrometheusObserver()


def test_every_metric_has_a_sentence_and_a_name_of_its_own() -> None:
    metrics = [value for value in vars(prometheus).values() if isinstance(value, prometheus.Metric)]
    metrics += COUNTERS.values()
    assert all(one.says.endswith(".") or one.says.endswith("version.") for one in metrics)
    assert len({one.name for one in metrics}) == len(metrics)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_wrong() -> None:
    app = AppStatus("shop", [], [StageStatus("a.b", "a.t")], [TopicStatus("a.t")])
    text = exposed(*all_events(), look=lambda: [app])
    ended = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
