"""`onward orders` on a bucket of Ceph. Not part of the tests that are always run: `make ceph`."""

from __future__ import annotations

import gzip
import subprocess

import pytest

from cli.conftest import Command
from cli.test_orders import portfolios, said
from cli.test_orders_postgres import AT_ONCE, count, rows, stopped
from servers.s3 import KEY, S3, SECRET

pytestmark = pytest.mark.ceph


def source(ceph: S3, secret: str = SECRET) -> str:
    pairs = {"endpoint": ceph.endpoint, "id": KEY, "key": secret, "name": ceph.bucket, "path": "data"}
    return " ".join(f"bucket_{name}={value}" for name, value in pairs.items())


def test_loads_and_more_changes_than_a_listing_has_on_a_page(command: Command, ceph: S3, postgres: str) -> None:
    ceph.put("data/dbo/entity_3/LOAD00000001.csv.gz", gzip.compress(portfolios(*range(5_000)).encode()))
    for number in range(1_005):
        ceph.put(f"data/dbo/entity_3/20250301-1{number:08}.csv", portfolios(number, op="D,"))
    process = command.start("orders", *AT_ONCE, SOURCE=source(ceph), TARGET=postgres)
    lines = heard(process, "Delivery 1006: processed")
    assert "Delivery 1: process_dbo data/dbo/entity_3/LOAD00000001.csv.gz." in lines
    assert (count(postgres), count(postgres, "loader_deliveries")) == (3_995, 1_006)
    ceph.put("data/dbo/entity_3/LOAD00000001.csv.gz", gzip.compress(portfolios(*range(5_001)).encode()))
    ceph.put("data/dbo/entity_3/20250302-100000000.csv", portfolios(5_000, op="D,"))
    assert "Delivery 1007: entity_3 (create: 1006, amend: 0, remove: 0)." in heard(process, "Delivery 1008: processed")
    stopped(process)
    assert count(postgres) == 5_000
    assert rows(postgres, "SELECT count(*) FROM entity_3_event_log WHERE event_type = 'RECREATE'") == [(1_005,)]
    command.accounted()


def heard(process: subprocess.Popen[str], last: str) -> list[str]:
    """The log lines up to the first that begins like this."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines += said(line)
        if lines[-1].startswith(last):
            return lines
    raise AssertionError(f"it ended before {last!r}")


def test_a_wrong_secret_is_said_without_showing_it(command: Command, ceph: S3, postgres: str) -> None:
    ceph.put("data/dbo/entity_3/LOAD00000001.csv", portfolios(1))
    ended = command("orders", "--no-service", exits=1, SOURCE=source(ceph, "wr0ng=secret"), TARGET=postgres)
    assert "the source failed" in ended.stdout and "wr0ng" not in ended.stdout + ended.stderr
    assert count(postgres) == 0


def test_a_file_that_is_replaced_under_way_is_delivered_as_it_is_now(command: Command, ceph: S3, postgres: str) -> None:
    name = "data/dbo/entity_3/LOAD00000001.csv"
    ceph.put(name, portfolios(1) + "2,short\n")
    command("orders", "--no-service", exits=1, SOURCE=source(ceph), TARGET=postgres)
    ceph.put(name, portfolios(1, 2))
    command("parked", "retry", "--key", "dbo.entity_3")
    command("orders", "--no-service", SOURCE=source(ceph), TARGET=postgres)
    assert count(postgres) == 2
