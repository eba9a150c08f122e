"""`onward run`: until all is delivered, until it is stopped, in several processes, and when a call hangs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from servers import free_port

from .conftest import HANG, SHOP, Command, until


def test_once_delivers_all(command: Command) -> None:
    ended = command("run", SHOP, "--once")
    assert ended.stdout == ""
    assert len((command.folder / "mailed.txt").read_text().splitlines()) == 20
    assert command.stage("shop.bill")["done"] == command.stage("shop.mail")["done"] == 20
    command.accounted()


def test_off_a_terminal_log_lines_are_json_and_prints_go_to_stderr(command: Command) -> None:
    ended = command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    lines = ended.stderr.splitlines()
    assert "mailing 3" in lines
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    died = next(line for line in logged if line.get("state") == "dead")
    assert died["app"] == "shop" and died["stage"] == "shop.bill" and died["attempt"] == 2
    assert died["position"].startswith("shop.orders:") and "ValueError: unlucky" in died["traceback"]
    assert not any(line["level"] == "debug" for line in logged)


def test_what_stays_is_printed_and_a_death_exits_1(command: Command) -> None:
    ended = command("run", SHOP, "--once", "--set", "bad=7", exits=1)
    assert ended.stderr.splitlines()[-1] == "Error: 1 record died"
    assert ended.stdout.splitlines()[0] == "What stays:"
    assert ended.stdout.splitlines()[2].split() == ["shop.bill", "0", "0", "1", "0", "0", "2"]
    again = command.document("run", SHOP, "--once")
    assert again["left"] == [
        {"name": "shop.bill", "outstanding": 0, "retrying": 0, "dead": 1, "waiting": 0, "running": 0, "behind": 2}
    ]


def test_only_the_stages_that_were_named(command: Command) -> None:
    command("run", SHOP, "--once", "--stage", "arrive", "--stage", "bill")
    assert command.stage("shop.mail")["outstanding"] == 20
    command("run", SHOP, "--once", "--stage", "shop.mail")
    assert command.stage("shop.mail")["outstanding"] == 0
    ended = command("run", SHOP, "--once", "--stage", "post", exits=2)
    assert "shop.mail" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "which app"),
        (("missing.py",), "there is no file missing.py"),
        ((SHOP, "--set", "many=lots"), "'many' from --set cannot be read"),
        ((SHOP, "--set", "colour=red"), "no app has a setting"),
        ((SHOP, "--memory", "much"), "--memory"),
        ((SHOP, "--grace", "soon"), "--grace"),
        ((SHOP, "--store", "ftp://somewhere"), "sqlite:///"),
    ],
)
def test_wrong_usage_exits_2_and_says_why_in_the_last_line(
    command: Command, arguments: tuple[str, ...], told: str
) -> None:
    ended = command("run", *arguments, "--once", exits=2)
    assert told in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not (command.folder / "onward.db").exists()


def test_a_faulty_declaration_names_all_faults(command: Command) -> None:
    (command.folder / "bad.py").write_text(
        "from onward import App\n"
        "app = App('bad')\n"
        "topic = app.topic('topic', int)\n"
        "@app.stage(topic)\n"
        "def one(value: int, nothing): ...\n"
        "@app.stage(topic)\n"
        "def two(value: int, tx): ...\n"
    )
    ended = command("run", "bad.py", "--once", exits=2)
    assert "bad.py:4" in ended.stderr and "bad.py:6" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("Error: app 'bad': 2 faults")


def test_a_single_fault_is_told_once(command: Command) -> None:
    (command.folder / "bad.py").write_text("from onward import App\n\napp = App('bad')\napp.topic('t', partitions=0)\n")
    ended = command("run", "bad.py", exits=2)
    assert ended.stderr.splitlines() == [
        f"Error: app 'bad': {command.folder}/bad.py:4: topic bad.t: partitions=0; it is a whole number of at least 1"
    ]


def test_a_service_prints_no_json(command: Command) -> None:
    last = command("run", SHOP, "--json", exits=2).stderr.splitlines()[-1]
    assert "--json goes with --once or --dry-run" in last
    assert not (command.folder / "onward.db").exists()


def test_the_first_signal_finishes_what_is_in_hand(command: Command) -> None:
    process = command.start("run", SHOP, "--set", "many=300", "--set", "slow=0.01")
    until(lambda: (command.folder / "mailed.txt").exists())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    between = command.stage("shop.bill")
    assert 0 < between["done"] < 300
    assert between["done"] + between["outstanding"] == 300
    command.accounted()
    command("run", SHOP, "--once", "--set", "many=300")
    mailed = (command.folder / "mailed.txt").read_text().splitlines()
    assert len(mailed) == len(set(mailed)) == 300
    command.accounted()


def test_a_call_that_outlasts_the_grace_is_given_up(command: Command) -> None:
    process = command.start("run", HANG, "--set", "slow=1000", "--grace", "200ms")
    until(lambda: (command.folder / "started").exists())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert command.stage("hang.take")["outstanding"] == 40
    command.accounted()


KILLS = """
import os
from onward import App, Retry

app = App("kills")
given = app.topic("given", int, key=str, partitions=2)
taken = app.topic("taken", int, key=str)

@app.stage(given, to=taken, parallel=2, retry=Retry(attempts=2, first="10ms"))
def take(number: int) -> int:
    if number == 42:
        os._exit(9)
    return number

@app.stage(taken)
def tell(number: int) -> None: ...
"""


def test_a_record_that_takes_its_worker_along_is_named_and_others_go_on(command: Command) -> None:
    (command.folder / "kills.py").write_text(KILLS)
    command("put", "kills.given", "--app", "kills.py", said="".join(f"{n}\n" for n in range(200)))
    runs = 0
    while not runs or command.stage("kills.take")["done"] < 199:
        runs += 1
        assert runs < 15
        command("run", "kills.py", "--once", exits=9)
    command("run", "kills.py", "--once", exits=9)
    [named] = command.lines("parked", "list")
    assert (named["attempts"], named["key"]) == (0, "42") and named["state"] in ("running", "retrying")
    assert "the worker that called kills.take for it was gone before the call ended" in named["error"]
    command("run", "kills.py", "--once", "--patience", "0s", exits=None)
    command("parked", "drop", "--key", "42")
    command("run", "kills.py", "--once", "--patience", "0s")
    assert command.stage("kills.take")["done"] == 200 and command.stage("kills.tell")["done"] == 199
    command.accounted()


DEAF = """
import asyncio
from pathlib import Path
from onward import App

app = App("deaf")
given = app.topic("given", int)

@app.stage(given)
async def take(number: int) -> None:
    Path("started").touch()
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass
"""


def test_a_call_that_is_deaf_to_the_end_of_the_grace_does_not_keep_the_process(command: Command) -> None:
    (command.folder / "deaf.py").write_text(DEAF)
    command("put", "deaf.given", "--app", "deaf.py", said="1\n")
    process = command.start("run", "deaf.py", "--grace", "0.1s")
    until(lambda: (command.folder / "started").exists())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "goes on though it was cancelled" in (command.folder / "stderr").read_text()
    assert command.stage("deaf.take")["outstanding"] == 1
    command.accounted()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_at_once(command: Command, number: int, code: int) -> None:
    process = command.start("run", HANG, "--set", "slow=1000", "--grace", "1h")
    until(lambda: (command.folder / "started").exists())
    process.send_signal(number)
    until(lambda: _handles(process.pid, number))
    process.send_signal(number)
    assert process.wait(20) == code
    command.accounted()


def _handles(pid: int, number: int) -> bool:
    """Whether a signal has been taken: two of one kind that come together would count once."""
    try:
        with open(f"/proc/{pid}/status") as file:
            pending = [line.split()[1] for line in file if line.startswith(("SigPnd", "ShdPnd"))]
    except OSError:
        return True
    return not any(int(mask, 16) >> (number - 1) & 1 for mask in pending)


def test_two_processes_deliver_all_and_share_the_work(command: Command) -> None:
    command("run", HANG, "--once", "--processes", "2", "--set", "many=300", "--set", "slow=0.02")
    taken = [line["value"] for line in command.lines("read", "taken")]
    assert sorted(one["number"] for one in taken) == list(range(300))
    assert len({one["process"] for one in taken}) == 2
    command.accounted()


def test_a_death_in_any_process_exits_1(command: Command) -> None:
    ended = command("run", SHOP, "--once", "--processes", "2", "--set", "bad=7", exits=1)
    assert "What stays:" in ended.stdout
    assert ended.stderr.splitlines()[-1] == "Error: a process has failed, and has said above why"
    command.accounted()


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes")
def test_a_process_that_dies_is_replaced(command: Command) -> None:
    parent = command.start("run", HANG, "--processes", "2", "--set", "many=400", "--set", "slow=0.02")
    until(lambda: (command.folder / "started").exists())
    before = until(lambda: len(found := _children(parent.pid)) == 2 and found)
    os.kill(before[0], signal.SIGKILL)
    after = until(lambda: len(found := _children(parent.pid)) == 2 and found != before and found)
    assert before[1] in after
    until(lambda: command.stage("hang.take")["outstanding"] == 0)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 0
    assert sorted(line["value"]["number"] for line in command.lines("read", "taken")) == list(range(400))
    command.accounted()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes")
def test_children_end_when_their_parent_is_gone(command: Command) -> None:
    parent = command.start("run", SHOP, "--processes", "2")
    until(lambda: (command.folder / "mailed.txt").exists())
    children = _children(parent.pid)
    assert len(children) == 2
    parent.kill()
    parent.wait()
    until(lambda: not any(os.path.exists(f"/proc/{child}") for child in children))


def test_a_call_that_hangs_costs_its_record_and_its_process(command: Command) -> None:
    command("run", HANG, "--once", "--set", "hang=7", TIMEOUT="1", exits=1)
    taken = command.stage("hang.take")
    assert taken["dead"] == 1 and taken["done"] == 39
    [parked] = command.lines("parked", "list")
    assert "TimedOut" in parked["error"]
    command.accounted()


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs a namespace of its own")
def test_as_process_number_1(command: Command) -> None:
    ended = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "onward", "run", SHOP, "--once"],
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "unshare" in ended.stderr:
        pytest.skip(ended.stderr)
    assert ended.returncode == 0, ended.stderr
    assert len((command.folder / "mailed.txt").read_text().splitlines()) == 20


def _asked(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, None


@pytest.mark.parametrize("processes", ["1", "2"])
def test_health_is_told_until_it_ends(command: Command, processes: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = command.start("run", SHOP, "--processes", processes, "--health", f"{port}")
    until(lambda: _asked(port, "/health")[0] == 200)
    parts = {"1": {"shop.arrive", "shop.bill", "shop.mail"}, "2": {"process 0", "process 1"}}[processes]
    until(lambda: set(_asked(port, "/health")[1]["parts"]) == parts)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert _asked(port, "/live")[0] == 0
    assert "is no address" in command("run", SHOP, "--health", "here", exits=2).stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_metrics_are_served_for_all_processes_until_it_ends(command: Command, processes: str) -> None:
    """Counts of a process that was killed are still in them: they never go back."""
    port = free_port()
    process = command.start("run", SHOP, "--processes", processes, "--metrics", f"{port}")
    until(lambda: _metric(port, 'onward_records_finished_total{stage="shop.mail"}') == 20)
    assert _metric(port, 'onward_stage_records{stage="shop.mail",state="done"}') == 20
    assert _metric(port, 'onward_source_records_total{source="shop.arrive"}') == 20
    if processes == "2":
        for child in _children(process.pid):
            os.kill(child, signal.SIGKILL)
        command("put", "shop.orders", said='{"customer": "c", "number": 99}\n')
        until(lambda: _metric(port, 'onward_records_finished_total{stage="shop.mail"}') == 21)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert _metric(port, "onward_store_up") == -1


def test_metrics_that_cannot_be_served_are_refused(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = command("run", SHOP, "--metrics", f"{taken.getsockname()[1]}", exits=2).stderr
    assert "metrics cannot be served" in said
    assert "is no address" in command("run", SHOP, "--metrics", "here", exits=2).stderr
    assert "dry run" in command("run", SHOP, "--dry-run", "--metrics", "0", exits=2).stderr


def _metric(port: int, name: str) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return -1.0
    return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)
