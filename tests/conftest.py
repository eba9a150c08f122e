"""What holds for all tests."""

import pytest
from hypothesis import settings

from servers import NOT_RUN
from servers.ceph import ceph, ceph_server
from servers.nats import nats
from servers.postgres import databases, own_postgres, postgres, postgres_server
from servers.s3 import s3, s3_server

__all__ = ["ceph", "ceph_server", "databases", "nats", "own_postgres", "postgres", "postgres_server", "s3", "s3_server"]

# A shared machine may be slow at any moment: a test fails by what it finds, not by its time.
settings.register_profile("onward", deadline=None)
settings.load_profile("onward")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names at the end the tests that could not run here, and what they miss."""
    left: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NOT_RUN in reason:
            left.setdefault(reason.partition(NOT_RUN)[2], []).append(report.nodeid)
    for why, tests in left.items():
        terminalreporter.section(f"NOT RUN: {why}")
        for test in tests:
            terminalreporter.line(test)
