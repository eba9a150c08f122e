"""Writers of several processes take turns, and one that is always busy does not keep the others waiting."""

import contextlib
import fcntl
import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onward.sqlite.turn import Turn

SOON = 20.0

BUSY = """
import mmap, os, sys
from onward.sqlite.turn import Turn

turn = Turn(sys.argv[1])
with open(sys.argv[2], "r+b") as shared, open(sys.argv[2] + ".written", "wb") as written:
    counts = mmap.mmap(shared.fileno(), 16)
    while not counts[8]:
        with turn:
            written.write(b"x" * 4096)
            written.flush()
            os.fsync(written.fileno())
            counts[:8] = (int.from_bytes(counts[:8], "little") + 1).to_bytes(8, "little")
"""


def test_a_small_writer_beside_a_busy_one_waits_for_one_turn_or_two(tmp_path: Path) -> None:
    store, shared = tmp_path / "store.db", tmp_path / "shared"
    shared.write_bytes(bytes(16))
    busy = subprocess.Popen([sys.executable, "-c", BUSY, store, shared])
    turn = Turn(str(store))
    try:
        with shared.open("r+b") as file:
            counts = mmap.mmap(file.fileno(), 16)

            def turns() -> int:
                return int.from_bytes(counts[:8], "little")

            while turns() < 3:
                assert busy.poll() is None
            waited = []
            for _ in range(50):
                before = turns()
                with turn:
                    waited.append(turns() - before)
                while turns() < before + 2:  # let it go on, so that it is met in the middle of its work
                    assert busy.poll() is None
            counts[8] = 1
    finally:
        turn.close()
        counts[8] = 1
        assert busy.wait(SOON) == 0
    waited.sort()
    assert waited[len(waited) // 2] <= 2, waited
    assert sum(waited) <= 4 * len(waited), waited


def test_one_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    inside = 0
    overlaps = []

    def work() -> None:
        nonlocal inside
        turn = Turn(path)
        for _ in range(50):
            with turn:
                inside += 1
                overlaps.append(inside)
                os.sched_yield()
                inside -= 1
        turn.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert overlaps == [1] * 200


def test_one_handle_serves_several_threads(tmp_path: Path) -> None:
    turn = Turn(str(tmp_path / "store.db"))
    inside: list[int] = []

    def work() -> None:
        for _ in range(100):
            with turn:
                inside.append(1)
                assert len(inside) == 1
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    turn.close()
    turn.close()


def test_a_dead_holder_leaves_its_turn(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    program = (
        "import os, sys\n"
        "from onward.sqlite.turn import Turn\n"
        "turn = Turn(sys.argv[1])\n"
        "turn.__enter__()\n"
        "print('mine', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "mine\n"
    turn = Turn(str(store))
    got = threading.Event()

    def wait() -> None:
        with turn:
            got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not got.is_set()
    holder.kill()
    holder.communicate(timeout=SOON)
    assert got.wait(SOON)
    waiting.join(SOON)
    turn.close()


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_lock_that_fails_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    turn, other, calls = Turn(str(tmp_path / "store.db")), Turn(str(tmp_path / "store.db")), 0
    flock = fcntl.flock

    def fails(descriptor: int, operation: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(37, "No locks available")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", fails)
    with contextlib.suppress(OSError), turn:
        pass
    monkeypatch.undo()
    taken = threading.Event()

    def take(one: Turn) -> None:
        with one:
            taken.set()

    for one in (other, turn):
        taken.clear()
        threading.Thread(target=take, args=(one,), daemon=True).start()
        assert taken.wait(SOON)
    turn.close()
    other.close()
