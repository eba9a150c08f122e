"""What a worker and a process of its own say to each other: frames of MessagePack, in which records are the JSON of
their topic. Nothing here can carry code.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from onward.log import Append
from onward.outcome import Drop, Hold, Later, Outcome, Reject

LENGTH = struct.Struct(">I")
MARK = struct.Struct("<qd")
"""What a process notes before each call, in memory that both see: the index of the record in its unit, -1 between
calls, and when the call began, by the clock that only goes on."""

OUTCOMES = {class_.__name__: class_ for class_ in (Drop, Later, Hold, Reject)}


class Hello(Struct, tag=True, frozen=True):
    """The first frame: which stage of which app, and all that is needed to be it."""

    app: str
    stage: str
    path: list[str]
    settings: bytes | None
    flags: dict[str, bool]
    mark: str


class Copy(Struct, frozen=True):
    """A record that is to be worked on."""

    offset: int
    attempts: int
    approved: bool
    nonce: str
    entry: bytes


class Work(Struct, tag=True, frozen=True):
    """A unit; `identity` is what ids of its records begin with, `repeats` are the indices of those to be dropped, `bad`
    says why those with an offset cannot be called; `room` is how many bytes it may have in hand."""

    partition: int
    identity: str
    copies: list[Copy]
    repeats: list[int]
    bad: dict[int, str]
    room: int


class Go(Struct, tag=True, frozen=True):
    """The call that asked by this number may be made now."""

    number: int


class Ready(Struct, tag=True, frozen=True):
    """It has loaded the app."""


class Unfit(Struct, tag=True, frozen=True):
    """It cannot load the app."""

    why: str


class Ask(Struct, tag=True, frozen=True):
    """A handler waits for a budget."""

    rate: str
    number: int


class Said(Struct, tag=True, frozen=True):
    """A handler called `progress`."""

    position: str
    key: str | None
    done: int
    total: int | None


class Fault(Struct, frozen=True):
    """A record whose call failed; `final`: it is dead, whatever the policy says."""

    index: int
    kind: str
    message: str
    trace: str
    outcome: str
    given: list[float | str | None]
    took: float
    batch: str | None
    final: bool


class Done(Struct, tag=True, frozen=True):
    """What came of a unit."""

    done: Sequence[int]
    faults: list[Fault]
    behind: list[int]
    rest: Sequence[int]
    drops: list[tuple[int, str]]
    appends: list[Append]
    records: dict[str, int]
    outage: str


ToChild = Hello | Work | Go
FromChild = Ready | Unfit | Ask | Said | Done

_encoder = msgspec.msgpack.Encoder()
to_child = msgspec.msgpack.Decoder(ToChild).decode
from_child = msgspec.msgpack.Decoder(FromChild).decode


def framed(message: ToChild | FromChild) -> bytes:
    """A message with its length before it."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def outcome_to(outcome: Outcome | None) -> tuple[str, list[float | str | None]]:
    """An outcome as its name and what it was given."""
    match outcome:
        case Later():
            return "Later", [outcome.seconds, outcome.give_up_seconds]
        case Drop() | Hold() | Reject():
            return type(outcome).__name__, [outcome.reason]
    return "", []


def outcome_from(name: str, given: Sequence[float | str | None]) -> Outcome | None:
    return OUTCOMES[name](*given) if name else None  # type: ignore[arg-type]
