"""What stands in for functions in a dry run: effects outside are withheld and told, sources end at the limit."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from onward.events import Withheld
from onward.handler import Handler
from onward.record import Record
from onward.source import Checkpoint, Source
from onward.stage import Stage

Tell = Callable[[Withheld], None]


def acts_outside(stage: Stage) -> bool:
    """Whether a call of this stage may not be made in a dry run: it acts outside and does not know of dry runs."""
    return stage.effect and "dry_run" not in stage.handler.needs


def withheld(stage: Stage, tell: Tell) -> Stage:
    """The stage as a dry run calls it: where it acts outside, each record is told and done instead."""
    if not acts_outside(stage):
        return stage

    def tell_one(record: Record[Any]) -> None:
        tell(Withheld(stage.name, str(record.position), record.key, record.value, record.id))

    def one(record: Record[Any]) -> None:
        tell_one(record)

    def many(records: list[Record[Any]]) -> None:
        for record in records:
            tell_one(record)

    made = copy.copy(stage)
    made.handler = Handler(one) if stage.batch is None else Handler(many).batched()
    made.timeout = made.rate = made.limit = None
    made.isolate = made.long = False
    return made


def limited(source: Source, most: int | None) -> Source:
    """The source as a dry run calls it: it ends after so many records, over all its calls, and nobody is told that its
    cursors are saved, as they are not."""
    made = copy.copy(source)
    made.saved = None
    if most is None:
        return made
    function, left = source.handler.function, most

    def counts(item: Any) -> None:
        nonlocal left
        left -= not isinstance(item, Checkpoint)

    def some(cursor: Any, **arguments: Any) -> Iterator[Any]:
        if not left:
            return
        for item in function(cursor, **arguments) or ():
            counts(item)
            yield item
            if not left:
                return

    async def some_async(cursor: Any, **arguments: Any) -> AsyncIterator[Any]:
        if not left:
            return
        async for item in function(cursor, **arguments):
            counts(item)
            yield item
            if not left:
                return

    made.handler = copy.copy(source.handler)
    made.handler.function = some_async if source.handler.is_async else some
    return made
