"""Giving a topic another number of partitions: what has to be done with before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from onward.commit import State
from onward.errors import InUse
from onward.units import counted


class Left(NamedTuple):
    """A stage of the topic in one partition: records that it has yet to see, and that it has parked."""

    stage: str
    partition: int
    outstanding: int
    parked: int


def left_of(
    reading: Iterable[tuple[str, int]],
    parked: Mapping[tuple[str, int], Mapping[State, int]],
    outstanding: Callable[[str, int], int],
) -> list[Left]:
    """What is left of the stages and partitions that read a topic.

    Args:
        parked: of any, how many records are parked in each state.
        outstanding: how many of the topic one has yet to see.
    """
    return [Left(stage, at, outstanding(stage, at), sum(parked.get((stage, at), {}).values())) for stage, at in reading]


def begun(reading: Collection[tuple[str, int]], partitions: int) -> Iterator[tuple[str, int]]:
    """What those who read a topic have to begin with, where it gets so many partitions."""
    for stage in sorted({stage for stage, _ in reading}):
        yield from ((stage, at) for at in range(partitions) if (stage, at) not in reading)


def check(topic: str, left: Iterable[Left], writing: Mapping[str, str], users: Iterable[tuple[str, str]]) -> None:
    """Whether nothing is in the way of another number of partitions; records of a key would lose their order.

    Args:
        writing: stages and sources that write to the topic.
        users: what living workers hold or want of those that read or write it, each with the worker.

    Raises:
        InUse: something is; all of it is named.
    """
    faults = [*_running(topic, writing, users), *_left(left)]
    if faults:
        raise InUse([*faults, f"topic {topic} was not changed"])


def _running(topic: str, writing: Mapping[str, str], users: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, worker in sorted(set(users)):
        yield f"worker {worker} runs {name}, which {'writes to' if name in writing else 'reads'} {topic}; stop it first"


def _left(left: Iterable[Left]) -> Iterator[str]:
    for one in left:
        where = f"stage {one.stage} partition {one.partition}"
        if one.outstanding:
            outstanding = counted(one.outstanding, "record")
            yield f"{where} has {outstanding} outstanding; run it until all is delivered, or forget it"
        if one.parked:
            yield f"{where} has {counted(one.parked, 'record')} parked; retry or drop what is"
