"""The loader's metrics, scraped from its port as Prometheus does."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

from cli.conftest import Command, until
from cli.test_orders import portfolios, said, write
from cli.test_orders_nats import AT_ONCE, STREAM, delivered
from servers import free_port
from servers.nats import Nats

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def metric(text: str, name: str, **labels: str) -> float | None:
    from prometheus_client.parser import text_string_to_metric_families as families

    wanted = {"process": "orders", **labels}
    found = [one.value for all_ in families(text) for one in all_.samples if (one.name, one.labels) == (name, wanted)]
    return found[0] if found else None


def stop(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said(out)


def test_what_was_done_is_counted_after_its_commit_and_what_is_pending_is_looked_up(command: Command) -> None:
    port, away = free_port(), free_port()
    process = command.start("orders", *AT_ONCE, METRICS=f"{port}", NATS=f"nats://127.0.0.1:{away}")
    until(lambda: metric(scrape(port), "loader_files_pending") == 0)
    first = scrape(port)
    assert metric(first, "loader_events_total", entity="entity_1", event_type="CREATE") == 0
    assert metric(first, "loader_last_delivery_id") is None
    write(command, "entity_3/LOAD00000001.csv", portfolios(1, 2, 3))
    write(command, "entity_3/20250301-101112123.csv", portfolios(1, op="D,") + portfolios(9, op="D,"))
    until(lambda: metric(scrape(port), "loader_deliveries_total", outcome="delivered") == 2)
    write(command, "entity_3/20250301-101112124.csv", "I,bad\n")
    until(lambda: metric(scrape(port), "loader_deliveries_total", outcome="stopped") == 1)
    until(lambda: (metric(scrape(port), "loader_notifications_total", outcome="failed") or 0) > 0)
    text = scrape(port)
    lines = stop(process)
    assert metric(text, "loader_events_total", entity="entity_3", event_type="CREATE") == 3
    assert metric(text, "loader_events_total", entity="entity_3", event_type="REMOVE") == 1
    assert metric(text, "loader_rows_read_total", entity="entity_3") == 5
    assert metric(text, "loader_rows_ignored_total", entity="entity_3", reason="removal of an absent row") == 1
    assert metric(text, "loader_last_delivery_id") == 2
    for phase in ("fetch", "parse", "diff", "persist"):
        assert metric(text, "loader_delivery_seconds_count", phase=phase) == 2
        assert (metric(text, "loader_delivery_seconds_sum", phase=phase) or 0) > 0
    assert 0 < (metric(text, "loader_source_lag_seconds") or 0) < 60
    assert metric(text, "loader_files_pending") == 1
    assert metric(text, "loader_outbox_pending") == 2
    assert 'onward_stage_records{stage="orders.notify",state="outstanding"} 2.0' in text
    assert lines.index(f"Metrics: http://127.0.0.1:{port}/metrics.") < min(
        index for index, line in enumerate(lines) if line.startswith("Delivery")
    )
    last = [line for line in lines if line.startswith("Delivery 2: ")][-2:]
    assert last[0] == "Delivery 2: prometheus counters incremented." and last[1].startswith("Delivery 2: processed (")


def test_messages_are_counted_when_they_are_kept(command: Command, nats: Nats) -> None:
    port = free_port()
    process = command.start("orders", *AT_ONCE, METRICS=f"{port}", NATS=nats.url)
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    until(lambda: metric(scrape(port), "loader_notifications_total", outcome="published") == 1)
    until(lambda: metric(scrape(port), "loader_outbox_pending") == 0)
    assert metric(scrape(port), "loader_delivery_seconds_count", phase="publish") == 1
    stop(process)
    assert len(nats.messages(STREAM)) == 1


def test_a_port_that_is_taken_is_told_and_keeps_nothing_from_being_delivered(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = command.start("orders", *AT_ONCE, METRICS=f"{port}")
        write(command, "entity_3/LOAD00000001.csv", portfolios(1))
        until(lambda: delivered(command) == 1)
    until(lambda: metric(scrape(port), "loader_deliveries_total", outcome="delivered") == 1)
    lines = stop(process)
    told = [line for line in lines if line.startswith("There are no metrics")]
    assert len(told) == 1 and f"127.0.0.1:{port}: Address already in use" in told[0]


def test_a_dry_run_counts_as_such_only(command: Command) -> None:
    port = free_port()
    write(command, "entity_3/LOAD00000001.csv", portfolios(1, 2))
    process = command.start("orders", *AT_ONCE, "--dry-run", METRICS=f"{port}")
    until(lambda: metric(scrape(port), "loader_deliveries_total", outcome="dry_run") == 1)
    text = scrape(port)
    stop(process)
    assert metric(text, "loader_deliveries_total", outcome="delivered") == 0
    assert metric(text, "loader_events_total", entity="entity_3", event_type="CREATE") == 0


def test_an_address_that_is_none_is_named(command: Command) -> None:
    assert "METRICS" in command("orders", "--metrics", "here", exits=2).stderr


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_wrong(command: Command) -> None:
    port = free_port()
    write(command, "entity_3/LOAD00000001.csv", portfolios(1))
    process = command.start("orders", *AT_ONCE, METRICS=f"{port}")
    until(lambda: metric(scrape(port), "loader_deliveries_total", outcome="delivered") == 1)
    ended = subprocess.run(["promtool", "check", "metrics"], input=scrape(port), text=True, capture_output=True)
    stop(process)
    assert ended.returncode == 0, ended.stdout + ended.stderr
