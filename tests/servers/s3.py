"""An S3 server of its own process, on a free port, for tests that need one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from servers import free_port, listening

KEY, SECRET = "AKIA0123", "s3cr=t/+word"


class S3:
    """A bucket on a server; `url(prefix)` is what `open_objects` takes."""

    def __init__(self, endpoint: str, client: Any, bucket: str) -> None:
        self.endpoint, self.client, self.bucket = endpoint, client, bucket

    def put(self, key: str, body: str | bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def url(self, prefix: str = "") -> str:
        return f"s3://{self.bucket}/{prefix}?endpoint={self.endpoint}&key={KEY}&secret=s3cr%3Dt%2F%2Bword"


def client_of(endpoint: str) -> Any:
    import boto3

    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Its URL: of one that takes any key, or knows `KEY` and `SECRET` (`ONWARD_TEST_S3`); else of moto."""
    if given := os.environ.get("ONWARD_TEST_S3"):
        yield given.rstrip("/")
        return
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"MOTO_ENABLE_ISO_REGIONS": "false"},
    )
    try:
        listening(port, server, "the S3 server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def s3(s3_server: str, request: pytest.FixtureRequest) -> Iterator[S3]:
    client = client_of(s3_server)
    bucket = f"b{abs(hash(request.node.nodeid))}"
    client.create_bucket(Bucket=bucket)
    yield S3(s3_server, client, bucket)
