"""How a call failed: what is kept of it, and as text."""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import traceback
from types import CodeType, TracebackType

from onward.errors import CallFailed, OnwardError
from onward.outcome import Outcome
from onward.settings import masked

MOST = 16_000
_MOST_FRAMES = 1024


class Failure:
    """Of the record with an index in its unit: an exception, or an outcome that parks. `took` is in seconds.

    `kind` and `message` say in text what the exception was; they are empty for an outcome.
    """

    __slots__ = ("batch", "error", "index", "kind", "message", "outcome", "took")

    def __init__(
        self,
        index: int,
        *,
        error: BaseException | None = None,
        outcome: Outcome | None = None,
        took: float = 0.0,
        batch: str | None = None,
    ) -> None:
        self.index = index
        self.error = error
        self.kind = "" if error is None else kind_of(error)
        self.message = "" if error is None else message_of(error)
        self.outcome = outcome
        self.took = took
        self.batch = batch


def is_stopped(error: BaseException) -> bool:
    """Whether the worker ends a call; all else is the function's own doing, and it has failed, whatever it raised: an
    error that nobody takes would leave its record in hand for ever."""
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # a plain def, in a thread
        return False
    return task is not None and task.cancelling() > 0


def kind_of(error: BaseException) -> str:
    """The name of its class, with the module unless built in."""
    if isinstance(error, CallFailed):
        return error.kind
    class_ = type(error)
    return class_.__qualname__ if class_.__module__ == "builtins" else f"{class_.__module__}.{class_.__qualname__}"


def message_of(error: BaseException) -> str:
    """What it says, at most 16 KB, without secrets."""
    return storable(masked(_said(error)))[:MOST]


def told_of(error: BaseException) -> str:
    """What a person is told of it: ours say all by themselves, others need their kind."""
    return message_of(error) if isinstance(error, OnwardError) else f"{kind_of(error)}: {message_of(error)}"


def traceback_of(error: BaseException) -> str:
    """The traceback as text, at most 16 KB, without secrets; empty where there is none.

    Put together from frames that are remembered, as formatting each anew would cost more than the call.
    """
    if isinstance(error, CallFailed):
        return error.trace
    if error.__traceback__ is None:  # it was never raised
        return ""
    if error.__cause__ is not None or error.__context__ is not None or getattr(error, "__notes__", None):
        text = "".join(traceback.format_exception(error))
    else:
        text = f"Traceback (most recent call last):\n{_frames(error.__traceback__)}{kind_of(error)}: {_said(error)}\n"
    return storable(masked(text))[-MOST:]


def storable(text: str) -> str:
    """The text with what no database takes written as escapes: NUL, and bytes that were no text (as in file names)."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()


def release(error: BaseException) -> None:
    """Lets go of what the frame that caught it held, once that has ended: the frame and the error know each other,
    and would keep all records of their unit until the garbage is collected. The handler's own frames stay."""
    if error.__traceback__ is not None:
        with contextlib.suppress(RuntimeError):  # a frame that is still running, as when batches are halved
            error.__traceback__.tb_frame.clear()


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as another:
        return f"(its text cannot be made: {type(another).__name__})"


def _frames(trace: TracebackType | None) -> str:
    found = []
    while trace is not None:
        found.append(_frame(trace))
        trace = trace.tb_next
    return "".join(found[-50:])


_remembered: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""Frames by code and instruction. A code object is named by its id, as its hash is made anew from all its bytes each
time; it is kept here, so the id stays its own."""


def _frame(trace: TracebackType) -> str:
    code = trace.tb_frame.f_code
    known = _remembered.get((id(code), trace.tb_lasti))
    if known is not None:
        return known[1]
    line = trace.tb_lineno
    text = linecache.getline(code.co_filename, line).strip()
    made = f'  File "{code.co_filename}", line {line}, in {code.co_name}\n' + (f"    {text}\n" if text else "")
    if len(_remembered) >= _MOST_FRAMES:
        _remembered.clear()
    _remembered[id(code), trace.tb_lasti] = code, made
    return made
