"""Whether a large backlog costs more than a small one: `python bench/backlog.py [--records N]`.

A stage drains a backlog by the real command, `onward run --once`, in a process of its own: its peak memory, its rate
beside that of a small backlog, and how long `status` takes on the store then, beyond `onward --version`. A bare loop
drains a copy of the same file before it: what it loses from small to large is the disk's, as a small backlog ends
before anything is copied back from the write-ahead log.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from hops import child, prepare

PROGRAM = """
from hops import app
"""


def command(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak megabytes of `onward` in that folder."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "ONWARD_LOG": "error"}
    line = [sys.executable, "-m", "onward", *arguments]
    begun = time.perf_counter()
    process = subprocess.Popen(line, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"onward {' '.join(arguments)} ended with {process.returncode}")
    return took, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def beyond_start(folder: Path, *arguments: str, rounds: int = 7) -> float:
    """Milliseconds that a command takes more than `onward --version`, medians of interleaved rounds."""
    taken = [(command(folder, *arguments)[0], command(folder, "--version")[0]) for _ in range(rounds)]
    return statistics.median(ours - theirs for ours, theirs in taken) * 1000


def drained(folder: Path, records: int, size: int) -> tuple[float, float, float]:
    """The rates at which a bare loop and `onward` drain a backlog, without the start of the process, and the peak
    memory of the latter."""
    asyncio.run(prepare(folder / "onward.db", records, size, 1000))
    shutil.copyfile(folder / "onward.db", folder / "floor.db")
    bare = records / child("--part", "floor", str(folder / "floor.db"), str(records), "0")
    for left in folder.glob("floor.db*"):
        left.unlink()
    (folder / "program.py").write_text(PROGRAM)
    start = statistics.median(command(folder, "--version")[0] for _ in range(3))
    took, peak = command(folder, "run", "program.py", "--once")
    return bare, records / (took - start), peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=1_000_000, help="the backlog to compare with")
    parser.add_argument("--size", type=int, default=100, help="bytes of a record")
    parser.add_argument("--folder", default=None, help="where the files lie; a temporary folder unless said")
    said = parser.parse_args()
    show = Console(highlight=False, soft_wrap=True).print
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        rates: dict[str, list[float]] = {"bare loop": [], "onward": []}
        for records in (said.small, said.records, said.small):
            at = Path(folder) / f"{records}-{len(rates['onward'])}"
            at.mkdir()
            bare, rate, peak = drained(at, records, said.size)
            rates["bare loop"].append(bare)
            rates["onward"].append(rate)
            show(f"{records:>12,} records: {rate:>9,.0f}/s, peak {peak:.0f} MB; bare loop {bare:>9,.0f}/s")
        large = Path(folder) / f"{said.records}-1"
        for who, (before, much, after) in rates.items():
            ratio = much / statistics.mean((before, after))
            show(f"{who}: rate at {said.records:,}: {ratio:.2f} of that at {said.small:,}")
        show(f"status: {beyond_start(large, 'status'):.0f} ms beyond onward --version")


if __name__ == "__main__":
    main()
