"""What a person sees of a run on a terminal, and the log lines that everybody gets."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from onward.app import App
from onward.cli import show
from onward.declaration import spec_of
from onward.events import Committed, Event, Failed, Progressed, Waiting
from onward.log import Survey
from onward.observers.logging import write_lines
from onward.status import status

if TYPE_CHECKING:
    from rich.progress import TaskID

BARS = 10
"""How many records with a progress of their own are drawn at once."""


def log_lines(level: str) -> None:
    """Sends log lines to standard error: text on a terminal, JSON off it."""
    if show.err.is_terminal:
        write_lines(show.err.line, level, human=True)
    else:
        # In one piece, as handlers print there from threads of their own.
        write_lines(lambda line: print(f"{line}\n", end="", file=sys.stderr, flush=True), level, human=False)


class Progress:
    """A drawing of a run: counts per stage, and a bar for each record whose handler tells its progress."""

    def __init__(self, apps: Sequence[App], url: str) -> None:
        from rich.console import Group
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        self._specs = [spec_of(app) for app in apps]
        self._url = url
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._stages = Bars(*columns, TextColumn("{task.fields[parked]}"), console=show.err.console)
        self._records = Bars(*columns, console=show.err.console)
        self._stage_bars: dict[str, TaskID] = {}
        self._record_bars: dict[str, TaskID] = {}
        self._stage_of: dict[str, str] = {}
        self._turn = threading.Lock()
        self._live = Live(Group(self._stages, self._records), console=show.err.console, refresh_per_second=4)

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for position in list(self._record_bars):
            self._forget(position)
        self._live.stop()

    def update(self, survey: Survey) -> None:
        """Draws the counts that the store holds now."""
        for app in status(self._url, survey, self._specs).apps:
            for stage in app.stages:
                if stage.name not in self._stage_bars:
                    self._stage_bars[stage.name] = self._stages.add_task(stage.name, total=None, parked="")
                parked = stage.left - stage.outstanding
                self._stages.update(
                    self._stage_bars[stage.name],
                    total=stage.records,
                    completed=stage.done,
                    parked=f"{parked} parked" if parked else "",
                )

    def see(self, event: Event) -> None:
        """Follows the progress of single records; events come from several threads."""
        with self._turn:
            self._see(event)

    def _see(self, event: Event) -> None:
        match event:
            case Progressed(stage, position, key, done, total):
                if position not in self._record_bars:
                    if len(self._record_bars) >= BARS:
                        self._forget(next(iter(self._record_bars)))
                    named = f"  {stage} {position}" + (f" {key}" if key is not None else "")
                    self._record_bars[position] = self._records.add_task(named, total=total)
                    self._stage_of[position] = stage
                self._records.update(self._record_bars[position], completed=done, total=total)
                if total is not None and done >= total:
                    self._forget(position)
            case Failed(_, position) | Waiting(_, position):
                self._forget(position)
            case Committed(stage, partition, next_):
                for position in [one for one in self._record_bars if self._done(one, stage, partition, next_)]:
                    self._forget(position)

    def _done(self, position: str, stage: str, partition: int, next_: int) -> bool:
        """Whether a commit has passed the record, whatever its handler told last."""
        _, part, offset = position.rsplit(":", 2)
        return self._stage_of[position] == stage and int(part) == partition and int(offset) < next_

    def _forget(self, position: str) -> None:
        if (bar := self._record_bars.pop(position, None)) is not None:
            self._records.remove_task(bar)
            del self._stage_of[position]
