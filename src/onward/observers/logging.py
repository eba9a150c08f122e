"""Events as log lines: text for a person, a JSON object per line for everybody else. Secrets are masked."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from typing import Any

from onward import events
from onward.events import Event
from onward.failure import kind_of, message_of, traceback_of
from onward.settings import masked
from onward.units import counted, instant_text

LOGGER = logging.getLogger("onward")

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


class LoggingObserver:
    """Writes every event to the logger `onward`, with its fields in the line's `onward` attribute."""

    def __call__(self, event: Event) -> None:
        level, message = _said(event)
        if LOGGER.isEnabledFor(level):
            LOGGER.log(level, "%s", message, extra={"onward": _fields(event, level)})


class TextLines(logging.Formatter):
    """`12:00:03 WARNING orders.load orders.files:0:17: what happened`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "onward", {})
        subject = [fields[name] for name in ("stage", "source", "name", "position") if fields.get(name)]
        who = f" {' '.join(subject)}:" if subject else "" if record.name == LOGGER.name else f" {record.name}:"
        time = self.formatTime(record, "%H:%M:%S")
        return masked(f"{time} {record.levelname:<7}{who} {record.getMessage()}{_trace(self, record)}")


class JSONLines(logging.Formatter):
    """One object: time, level, message, and what the event carries: event, app, stage, position, attempt, ..."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": instant_text(record.created),
            "level": record.levelname.lower(),
            "message": masked(record.getMessage()),
        }
        line |= getattr(record, "onward", None) or _named(record.name)
        if trace := _trace(self, record):
            line["traceback"] = masked(trace.strip())
        return json.dumps(line, ensure_ascii=False, default=str)


class Lines(logging.Handler):
    """Writes formatted lines by a function, which may be a terminal's that draws something else too."""

    def __init__(self, write: Callable[[str], None], formatter: logging.Formatter) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record))
        except Exception:
            self.handleError(record)


def write_lines(write: Callable[[str], None], level: str, *, human: bool) -> None:
    """Sends log lines of this process to `write`: Onward's and its apps' from `level` on, others' warnings."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, Lines):
            root.removeHandler(handler)
    root.addHandler(Lines(write, TextLines() if human else JSONLines()))
    root.setLevel(DEBUG if level == "debug" else WARNING)
    for name in ("onward", "onward_apps"):
        logging.getLogger(name).setLevel(level.upper())


def _named(logger: str) -> dict[str, Any]:
    """What a line that is no event's belongs to: `onward.APP` is an app's own logger."""
    root, _, app = logger.partition(".")
    return {"logger": logger, "app": app} if root == LOGGER.name and app else {"logger": logger}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return f"\n{formatter.formatException(record.exc_info)}" if record.exc_info else ""


def _fields(event: Event, level: int) -> dict[str, Any]:
    found: dict[str, Any] = {"event": type(event).__name__}
    names = [getattr(event, name, "") for name in ("stage", "source", "name")]
    if name := next(filter(None, names), ""):
        found["app"] = name.partition(".")[0]
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, BaseException):
            found["error"] = f"{kind_of(value)}: {message_of(value)}"
            if level >= ERROR:
                found["traceback"] = traceback_of(value)
        elif value is not None:
            found[field.name] = masked(value) if isinstance(value, str) else value
    return found


def _said(event: Event) -> tuple[int, str]:
    """How loud, and the sentence; what the line's fields say is left out."""
    match event:
        case events.WorkerStarted(worker, store):
            return INFO, f"worker {worker} started on {store}"
        case events.WorkerStopped(worker):
            return INFO, f"worker {worker} stopped"
        case events.LeaseTaken(_, partition, token):
            return DEBUG, f"took the lease of partition {partition} with token {token}"
        case events.LeaseGone(_, partition):
            return WARNING, f"the lease of partition {partition} is somebody else's now"
        case events.Committed(_, partition, next_, finished, parked, emitted):
            return DEBUG, f"partition {partition} up to {next_}: {finished} done, {parked} parked, {emitted} emitted"
        case events.Failed(state="retrying", error=None):
            return DEBUG, "comes again later, as it asked for"
        case events.Failed():
            level = ERROR if event.state == "dead" else WARNING
            which = f"attempt {event.attempt}" if event.attempt else "attempt that does not count"
            return level, f"{which}, now {event.state}: {event.reason}"
        case events.Waiting(choices=()):
            why = f": {event.reason}" if event.reason else ""
            return INFO, f"waits for a person{why}; `onward parked retry` approves it"
        case events.Waiting():
            return INFO, f"waits for a decision, {' or '.join(event.choices)}; `onward review decide` makes it"
        case events.Tripped(_, reason, probe_in):
            return ERROR, f"tripped, tries one record again in {probe_in:.1f} s: {reason}"
        case events.Recovered():
            return INFO, "recovered"
        case events.Stuck(_, partition):
            return ERROR, f"a call in partition {partition} overran its timeout and cannot be stopped"
        case events.Deaf(_, partition):
            return ERROR, f"a call in partition {partition} goes on though it was cancelled; nothing of it is kept"
        case events.Full(_, partition, parked, key):
            most = f"; most of them behind key {key!r}" if key is not None else ""
            return ERROR, f"partition {partition} stops reading: {parked} records are parked{most}; retry or drop some"
        case events.Conflicted(_, partition, reason):
            return INFO, f"partition {partition} is worked on again from its last commit on: {reason}"
        case events.Progressed(_, _, _, done, total):
            return DEBUG, f"{done} of {total}" if total is not None else f"{done}"
        case events.Withheld(_, _, _, _, id_):
            return DEBUG, f"not called, as this is a dry run; its id would be {id_}"
        case events.Replayed(_, partition, number, done, failed):
            return INFO, f"replay {number} is over in partition {partition}: {done} done, {failed} failed"
        case events.SourceRan(_, records, took):
            return INFO if records else DEBUG, f"brought {counted(records, 'record')} in {took:.2f} s"
        case events.SourceFailed(_, error, again_in):
            return ERROR, f"failed, called again in {again_in:.1f} s: {kind_of(error)}: {message_of(error)}"
        case events.Waits(_, what):
            return INFO, what
        case events.SourceElsewhere(_, worker):
            return WARNING, f"worker {worker} has it and does not hand it over; what it brings is not waited for"
        case events.SavedFailed(_, error):
            return WARNING, f"saved= failed, the cursor is saved all the same: {kind_of(error)}: {message_of(error)}"
        case events.StoreAbsent(what, again_in):
            return WARNING, f"the store is away, tried again in {again_in:.1f} s: {what}"
        case events.DatabaseAbsent(what, again_in):
            return WARNING, f"a database of within= is away, tried again in {again_in:.1f} s: {what}"
        case events.ClocksDiffer(worker, ahead):
            hint = "clocks decide when leases and retries are due: set them alike, as by NTP"
            return WARNING, f"the clock of worker {worker} is {ahead:.1f} s ahead of this one's; {hint}"
        case events.Swept(blocks, rows, took):
            return (
                INFO,
                f"retention: {counted(blocks, 'block')} deleted, {counted(rows, 'row')} folded, in {took:.1f} s",
            )
        case events.ProcessEnded(process, code, again_in=None):
            return WARNING, f"process {process} ended with {code}; the others do its work"
        case events.ProcessEnded(process, code, again_in):
            return WARNING, f"process {process} ended with {code}; started again in {again_in:g} s"
        case events.ReplayAwaited(_, number, records):
            hint = f"`onward replay cancel {number}` ends it"
            return (
                INFO,
                f"replay {number} of {counted(records, 'record')} is not over, and this run ends when it is; {hint}",
            )
        case events.Trouble(_, what):
            return ERROR, what
        case _:
            return INFO, str(event)
