"""Parked records as somebody outside sees them: choosing some, reading them in pages, asking for what is to happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from onward.codec import HEADERS, ORIGIN, TIME, VALUE
from onward.log import Attempt, Books, Parked, Request
from onward.parking import looks
from onward.record import Range
from onward.request import copy_name
from onward.span import spans_of
from onward.survey import Fate
from onward.units import instant_text

PAGE = 100


class Choice(Struct, frozen=True):
    """Which parked records are meant: all that fit everything that is said."""

    stage: str | None = None
    key: str | None = None
    state: str | None = None
    error: str | None = None
    reason: str | None = None
    place: Range | None = None

    @property
    def match(self) -> dict[str, object]:
        """As a request says it to the holder of a lease; at which offsets says what was seen."""
        said = {"key": self.key, "state": self.state, "error": self.error, "reason": self.reason}
        return {name: value for name, value in said.items() if value is not None}

    def fits(self, topic: str, partition: int, row: Parked) -> bool:
        """Whether it means this one of the rows that have its stage, key and state."""
        if self.place is not None and not self.place.holds(topic, partition, row.offset):
            return False
        return (self.error is None or self.error in row.error) and (self.reason is None or self.reason in row.reason)


class Found(Struct, frozen=True):
    """A parked record, and of which stage and position it is."""

    stage: str
    topic: str
    partition: int
    row: Parked
    attempts: Sequence[Attempt]

    def told(self) -> dict[str, Any]:
        """The line of `parked list --json`."""
        row = self.row
        return {
            "stage": self.stage,
            "topic": self.topic,
            "partition": self.partition,
            "offset": row.offset,
            "key": row.key,
            "state": row.state,
            "attempts": row.attempts,
            "since": instant_text(row.since),
            "due": instant_text(row.due) if row.state == "retrying" else None,
            "error": row.error,
            "reason": row.reason,
        }

    def whole(self, fate: Fate) -> dict[str, Any]:
        """One of the records of `parked show --json`: with its copy, with each of its attempts, and with what people
        asked for it."""
        entry = msgspec.json.decode(self.row.entry, type=list[Raw])
        attempted = [{**attempt._asdict(), "at": instant_text(attempt.at)} for attempt in self.attempts]
        for one in attempted:
            del one["offset"]
        headers: Any = entry[HEADERS] if bytes(entry[HEADERS]) != b"null" else {}
        copy = {"time": entry[TIME], "headers": headers, "value": entry[VALUE], "origin": entry[ORIGIN]}
        asked = [carried_out_told(*one) for one in fate.requests]
        return {**self.told(), **copy, "approved": self.row.approved, "attempted": attempted, "requests": asked}


def carried_out_told(request: Request, done: float, result: str) -> dict[str, Any]:
    """A request that was carried out, as JSON tells it; `value` is what an edit put in."""
    return {
        "action": request.action,
        "by": request.by,
        "at": instant_text(request.at),
        "done": instant_text(done),
        "result": result,
        "value": None if request.value is None else Raw(request.value.encode()),
    }


async def chosen(books: Books, choice: Choice, limit: int | None = None) -> AsyncIterator[Found]:
    """Those that are meant, by stage, partition and offset, read in pages."""
    topic_of = {one.stage: one.topic for one in (await books.survey()).stages}
    after, count = ("", 0, 0), 0
    while page := await books.parked(choice.stage, choice.key, choice.state, PAGE, after):
        for stage, partition, row, attempts in page:
            topic = topic_of.get(stage, "")
            if choice.fits(topic, partition, row):
                yield Found(stage, topic, partition, row, attempts)
                count += 1
                if count == limit:
                    return
        stage, partition, row, _ = page[-1]
        after = (stage, partition, row.offset)


class Asked(Struct, frozen=True):
    """A request that was written, and how many records it names. Where it would name none it was not (`id` is None).

    `undecided` is how many were left out, as they wait for a decision in a review.
    """

    id: int | None
    stage: str
    partition: int
    records: int
    undecided: int = 0


async def ask(
    books: Books,
    choice: Choice,
    action: Literal["retry", "drop"],
    by: str,
    at: float,
    reviews: Collection[str] = (),
) -> Sequence[Asked]:
    """Asks the holder of each stage and partition that has some of them. The request names the records that are seen
    now, with their states: what is parked, promoted or settled anew before it is carried out is left.

    Args:
        reviews: stages whose waiting records go on by a decision only, so that a retry leaves them.
    """
    where: dict[tuple[str, int], list[Parked]] = {}
    undecided: Counter[tuple[str, int]] = Counter()
    async for found in chosen(books, choice):
        rows = where.setdefault((found.stage, found.partition), [])
        if action == "retry" and found.row.state == "waiting" and found.stage in reviews:
            undecided[found.stage, found.partition] += 1
        else:
            rows.append(replace(found.row, entry=b""))
    requests = [
        Request(0, stage, partition, action, choice.match | seen(rows), by, at)
        for (stage, partition), rows in where.items()
        if rows
    ]
    ids = iter(await books.ask(requests) if requests else ())
    return [Asked(next(ids) if rows else None, *at, len(rows), undecided[at]) for at, rows in where.items()]


async def ask_edit(books: Books, found: Found, value: str, by: str, at: float) -> Asked:
    """Asks for one record to get another value, as JSON; the holder checks that it fits, and that it stands as seen."""
    match = {"offset": found.row.offset, "copy": copy_name(found.row.entry), **seen([found.row])}
    (id_,) = await books.ask([Request(0, found.stage, found.partition, "edit", match, by, at, value)])
    return Asked(id_, found.stage, found.partition, 1)


def seen(rows: Sequence[Parked]) -> dict[str, object]:
    """How a request names these rows of one partition: by offset and by what they look like."""
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(looks(row), []).append(row.offset)
    return {"seen": {look: spans_of(sorted(offsets)) for look, offsets in found.items()}}
