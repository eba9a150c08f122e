"""A run of a task: who, when, with which arguments, and what came of it; kept in the store, bounded."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from onward import process
from onward.clock import Clock
from onward.errors import BadOutput
from onward.failure import kind_of, message_of, storable, traceback_of
from onward.resource import Resources
from onward.settings import masked
from onward.task import Task, is_client, shown

if TYPE_CHECKING:
    from onward.log import Log

KEPT = 1_000
"""Runs of a task that are kept."""

OUTPUT = 64_000
"""Characters of log lines that are kept of a run: the last ones."""

RESULT = 256_000
"""Bytes of a return value that are kept; a larger one is not."""

Outcome = Literal["running", "done", "failed", "stopped"]


class TaskRun(Struct, frozen=True):
    """A run as the store keeps it. `id` is 0 before it is kept; `arguments` and `result` are JSON; `process` is the
    name of the process that runs it; `error` has the traceback of one that failed."""

    task: str
    by: str
    process: str
    started: float
    arguments: bytes
    id: int = 0
    ended: float | None = None
    outcome: Outcome = "running"
    error: str = ""
    result: bytes | None = None
    output: str = ""

    @property
    def state(self) -> str:
        """Its outcome as far as it can be known: one whose process is dead is `lost`."""
        return "lost" if self.outcome == "running" and process.is_dead(self.process) else self.outcome


async def run_task(
    log: Log,
    task: Task,
    arguments: Mapping[str, Any],
    *,
    resources: Resources,
    client: Any,
    by: str,
    clock: Clock,
    progress: Callable[[int, int | None], None] = lambda done, total=None: None,
) -> tuple[TaskRun, Any]:
    """Runs a task once, recorded from its beginning on; gives the run as it is kept, and what the function returned.

    A plain `def` runs in a thread, an `async def` on this loop.

    Raises:
        Exception: the function's own; the run is kept as failed. `Unavailable`: a resource cannot open.
    """
    run = TaskRun(task.name, by, process.new_name(), clock.now(), shown(arguments))
    run = replace(run, id=await log.record_run(run))
    lines = _Captured()
    try:
        given = {**arguments, **await resources.get(task.handler)}
        needs = task.handler.needs
        given |= {name: client for name in needs if is_client(task.handler.hints.get(name))}
        if "progress" in needs:
            given["progress"] = progress
        with lines:
            result = await _called(task, given)
        kept, note = _as_json(result)
        run = replace(run, outcome="done", result=kept, output=lines.text(note))
    except BaseException as error:
        stopped = isinstance(error, asyncio.CancelledError | KeyboardInterrupt)
        text = "" if stopped else f"{kind_of(error)}: {message_of(error)}\n{traceback_of(error)}"
        run = replace(run, outcome="stopped" if stopped else "failed", error=text, output=lines.text())
        await log.record_run(replace(run, ended=clock.now()))
        raise
    run = replace(run, ended=clock.now())
    await log.record_run(run)
    return run, result


async def _called(task: Task, given: Mapping[str, Any]) -> Any:
    function = task.handler.function
    if task.handler.is_async:
        return await function(**given)
    return await asyncio.to_thread(function, **given)


def _as_json(result: Any) -> tuple[bytes | None, str]:
    """The value as it is kept, and what is to be said where it is not."""
    if result is None:
        return None, ""
    try:
        made = masked(storable(msgspec.json.encode(result, enc_hook=_no_json).decode())).encode()
    except (BadOutput, TypeError, ValueError) as error:
        return None, f"what it returned has no JSON and is not kept: {error}"
    if len(made) > RESULT:
        return None, f"what it returned has {len(made)} bytes and is not kept; the most is {RESULT}"
    return made, ""


def _no_json(value: Any) -> Any:
    raise BadOutput(type(value).__name__)


_current: contextvars.ContextVar[Any] = contextvars.ContextVar("onward_task_run", default=None)


class _Captured(logging.Handler):
    """The log lines of one run, and no others: those of its context, also from threads by `asyncio.to_thread`."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque()
        self._size = 0

    def emit(self, record: logging.LogRecord) -> None:
        if _current.get() is not self:
            return
        try:
            line = storable(masked(self.format(record)))[:OUTPUT]
        except Exception:  # a log call with wrong arguments: its author sees it on standard error
            return
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > OUTPUT:
            self._size -= len(self._lines.popleft()) + 1

    def text(self, note: str = "") -> str:
        return "\n".join([*self._lines, *filter(None, [note])])

    def __enter__(self) -> _Captured:
        self._before = _current.set(self)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        _current.reset(self._before)
