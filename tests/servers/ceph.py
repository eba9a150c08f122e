"""An S3 gateway of Ceph over a monitor and one disk in memory: the real thing, which takes its time to start."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence

import pytest

from servers import folder, free_port, installed, listening, on_path
from servers.s3 import KEY, S3, SECRET, client_of

PACKAGES = "radosgw ceph-mon ceph-osd ceph-common"

CONF = """[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{monitor}
public addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
"""


class Ceph:
    """Monitor, disk and gateway, each a process of its own; `endpoint` is the gateway's."""

    def __init__(self) -> None:
        for package in PACKAGES.split():
            installed(on_path({"ceph-common": "ceph"}.get(package, package)), package)
        self._folder = folder("ceph")
        self._conf = self._folder / "ceph.conf"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port, self._monitor, self._fsid = free_port(), free_port(), str(uuid.uuid4())
        self.endpoint = f"http://127.0.0.1:{self._port}"
        try:
            self._make()
            gateway = self._start("radosgw", "-n", "client.rgw", "-f", "--rgw-frontends", f"beast port={self._port}")
            listening(self._port, gateway, "the gateway of Ceph", 120)
            user = ("--uid=test", "--display-name=test", f"--access-key={KEY}", f"--secret-key={SECRET}")
            self._asked("radosgw-admin", "user", "create", *user)
        except BaseException:
            self.remove()
            raise

    def _make(self) -> None:
        self._conf.write_text(CONF.format(fsid=self._fsid, monitor=self._monitor, folder=self._folder))
        for part in ("mon", "osd"):
            (self._folder / part).mkdir()
        for path in (self._folder, *self._folder.iterdir()):
            if os.geteuid() == 0:
                shutil.chown(path, "ceph", "ceph")
        monmap, disk = self._folder / "monmap", str(uuid.uuid4())
        at = f"[v1:127.0.0.1:{self._monitor}]"
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", at, monmap)
        self._run("ceph-mon", "--conf", self._conf, "-i", "a", "--mkfs", "--monmap", monmap)
        self._start("ceph-mon", "-i", "a", "-f")
        self._asked("ceph", "osd", "new", disk)
        self._run("ceph-osd", "--conf", self._conf, "-i", "0", "--mkfs", "--osd-uuid", disk)
        started = self._start("ceph-osd", "-i", "0", "-f")
        while '"num_up_osds":1' not in self._asked("ceph", "osd", "stat", "--format", "json"):
            if started.poll() is not None:  # it may give up where the monitor is slow to know it
                started = self._start("ceph-osd", "-i", "0", "-f")
            time.sleep(0.2)

    def remove(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with open(self._folder / "out", "ab") as out:
            command = _as_ceph([program, "--conf", str(self._conf), *arguments])
            self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out))
        return self._processes[-1]

    def _asked(self, program: str, *arguments: str) -> str:
        """Asks until it answers."""
        command = [program, "--conf", str(self._conf), *arguments]
        end = time.monotonic() + 120
        while True:
            done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            if not done.returncode:
                return done.stdout
            assert time.monotonic() < end, f"{program}: {done.stderr}"
            time.sleep(0.2)

    def _run(self, *command: object) -> None:
        done = subprocess.run(_as_ceph([str(word) for word in command]), capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr.decode()


def _as_ceph(command: Sequence[str]) -> list[str]:
    return ["setpriv", "--reuid=ceph", "--regid=ceph", "--clear-groups", *command] if os.geteuid() == 0 else [*command]


@pytest.fixture(scope="session")
def ceph_server() -> Iterator[str]:
    server = Ceph()
    try:
        yield server.endpoint
    finally:
        server.remove()


@pytest.fixture
def ceph(ceph_server: str, request: pytest.FixtureRequest) -> S3:
    """A bucket of it."""
    client = client_of(ceph_server)
    bucket = f"b{abs(hash(request.node.nodeid))}"
    client.create_bucket(Bucket=bucket)
    return S3(ceph_server, client, bucket)
