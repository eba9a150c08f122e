"""The real command in processes of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import onward

APPS = Path(__file__).parent / "apps"
SHOP = str(APPS / "shop.py")
HANG = str(APPS / "hang.py")
LIMIT = 60.0


class Command:
    """Runs `onward` in a folder; nothing that it starts outlives the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ONWARD", "SHOP", "HANG"))
        } | {"PYTHONPATH": str(Path(onward.__file__).parents[1]), "METRICS": ""}
        self.started: list[subprocess.Popen[str]] = []

    def __call__(
        self, *arguments: str, exits: int | None = 0, said: str | bytes | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "onward", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            input=said.decode() if isinstance(said, bytes) else said,
            stdin=subprocess.DEVNULL if said is None else None,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        if exits is not None:
            assert ended.returncode == exits, ended.stdout + ended.stderr
        return ended

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "onward", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "stderr").open("w"),
            text=True,
        )
        self.started.append(process)
        return process

    def document(self, *arguments: str, **more: Any) -> Any:
        return json.loads(self(*arguments, "--json", **more).stdout)

    def lines(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self(*arguments, "--json").stdout.splitlines()]

    def stage(self, name: str) -> dict[str, Any]:
        """What status says of a stage."""
        stages = [stage for app in self.document("status")["apps"] for stage in app["stages"]]
        return next(stage for stage in stages if stage["name"] == name)

    def accounted(self) -> None:
        """Nothing is lost."""
        assert self.document("audit")["breaches"] == []


def until(fact: Callable[[], Any], limit: float = 30.0) -> Any:
    """Waits for a fact."""
    end = time.monotonic() + limit
    while not (found := fact()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
    return found


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    made = Command(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
