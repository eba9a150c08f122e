"""Following records through a store: back to what they came from, and on through every stage that was given them.

A journey is one record with the way that led to it, and with all that became of it. It needs no more than blocks,
progress and parked rows, so nothing has to be switched on before something happens.

Order: by key the newest first. Reading is bounded: a journey follows at most `STEPS` records and says where it stops.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from onward.codec import HEADERS, KEY, ORIGIN, TIME, VALUE
from onward.difference import Change, difference
from onward.log import Attempt, Books, Parked, Request, Survey
from onward.record import Range
from onward.survey import Fate, Retained, Stored

STEPS = 1_000
"""Records that are followed in one journey."""

DEPTH = 50
"""Stages that are followed one after another, and steps back."""

OUTPUTS = 20
"""Records that are followed of those that one stage made of one record."""

BLOCKS = 64
"""Decoded blocks that are kept at hand."""

KEPT, GONE, MISSING, ABSENT = "kept", "gone by retention", "missing", "not written"

NOTHING = Retained(0, 0)

Row = tuple[str | None, str | None, str, dict[str, str] | None, Raw]
_rows = msgspec.json.Decoder(list[Row])


class Passage(Struct, frozen=True):
    """A record at one stage.

    `state` is `done`, `dropped`, `outstanding`, `not given` (the stage began after it, or is gone) or that of a parked
    record. `at` is when it was done, None where that is not known any more. `outputs` are the records that were made
    of it, `more` how many of them are left out. `requests` come with when they were carried out, and the result.
    """

    stage: str
    state: str
    at: float | None = None
    reason: str = ""
    parked: Parked | None = None
    attempts: Sequence[Attempt] = ()
    requests: Sequence[tuple[Request, float, str]] = ()
    outputs: Sequence[Step] = ()
    more: int = 0


class Step(Struct, frozen=True):
    """A record, or those of a batch, on the way; what is not kept has its place only.

    `records` is how many of the place it stands for.

    `maker` is the stage or source, None where it was put or is not known. `changes` is what the maker changed.
    `further` says that it was not followed from here on, as that would be too much.
    """

    place: Range
    kept: str = KEPT
    key: str | None = None
    time: str = ""
    headers: dict[str, str] | None = None
    value: Raw | None = None
    origin: str | None = None
    maker: str | None = None
    written: float | None = None
    changes: Sequence[Change] | None = None
    passages: Sequence[Passage] = ()
    further: bool = False
    records: int = 1


class Journey(Struct, frozen=True):
    """A record with all that became of it. `before` leads to it, from the first known on; the passages of those are
    only those that led here. `roots` are the origins of the first, where they lie in several places."""

    before: Sequence[Step]
    at: Step
    roots: Sequence[Range] = ()


class Tracer:
    """Follows records through one store; what it has read stays at hand, so it is for one question."""

    def __init__(self, books: Books, survey: Survey, retained: Mapping[tuple[str, int], Retained]) -> None:
        self._books = books
        self._retained = retained
        self._stages: dict[str, list[str]] = {}
        self._begins: dict[tuple[str, int], int] = {}
        for facts in survey.stages:
            self._begins[facts.stage, facts.partition] = facts.begins
            if facts.partition == 0 and facts.topic:
                self._stages.setdefault(facts.topic, []).append(facts.stage)
        declared = [stage for app in survey.apps for stage in app.stages]
        self._declared = {stage.name for stage in declared}
        self._arrows = [(stage.topic, to, stage.name) for stage in declared for to in stage.to]
        self._was = {topic.was: topic.name for app in survey.apps for topic in app.topics if topic.was}
        self._known = {topic.topic for topic in survey.topics}
        self._at_hand: OrderedDict[tuple[str, int, int], tuple[Stored, list[Row]]] = OrderedDict()
        self._left = 0

    async def of(self, place: Range) -> AsyncIterator[Journey]:
        """The journeys of the records at these offsets, in their order."""
        for offset in range(place.first, place.end):
            yield await self._journey(await self._step(place.topic, place.partition, offset))

    async def of_key(self, key: str) -> AsyncIterator[Journey]:
        """Journeys that have every kept record with this key, each once, the newest first. A journey begins with the
        first record of its way that has the key."""
        seen: set[Range] = set()
        before: int | None = None
        while True:
            spots, before = await self._books.holding(key, before)
            for spot in spots:
                found = await self._block(*spot)
                if found is None:
                    continue
                stored, rows = found
                for index in reversed([i for i, row in enumerate(rows) if row[KEY] == key]):
                    step = self._of_row(stored, rows, stored.block.offset + index)
                    if step.place not in seen:
                        journey = await self._journey(await self._top(step, key, seen))
                        _note(journey.at, key, seen)
                        seen.add(step.place)
                        yield journey
            if before is None:
                return

    async def _journey(self, step: Step) -> Journey:
        self._left = STEPS
        before, roots = await self._back(step)
        if before and before[-1].records == 1:
            changed = await self._changes(before[-1], before[-1].passages[0], step)
            step = replace(step, changes=changed)
        return Journey(before, await self._followed(step, 0), roots)

    # one record

    async def _block(self, topic: str, partition: int, offset: int) -> tuple[Stored, list[Row]] | None:
        """The block that has the offset, with its rows; none of them where retention has taken them."""
        for at in reversed(self._at_hand):
            block = self._at_hand[at][0].block
            if at[:2] == (topic, partition) and block.offset <= offset < block.offset + block.count:
                self._at_hand.move_to_end(at)
                return self._at_hand[at]
        stored = await self._books.stored(topic, partition, offset)
        return None if stored is None else self._hold(stored)

    def _hold(self, stored: Stored) -> tuple[Stored, list[Row]]:
        at = (stored.topic, stored.partition, stored.block.offset)
        if at not in self._at_hand:
            self._at_hand[at] = stored, _rows.decode(stored.block.entries)
            if len(self._at_hand) > BLOCKS:
                self._at_hand.popitem(last=False)
        return self._at_hand[at]

    async def _step(self, topic: str, partition: int, offset: int) -> Step:
        found = await self._block(topic, partition, offset)
        if found is not None and offset - found[0].block.offset < len(found[1]):
            return self._of_row(*found, offset)
        place = Range(topic, partition, offset, offset + 1)
        if offset < self._retained.get((topic, partition), NOTHING).offset:
            return Step(place, GONE)
        # What comes after it is there: it was, and something else than retention has taken it.
        return Step(place, MISSING if await self._books.read(topic, partition, offset, 1, 1) else ABSENT)

    def _of_row(self, stored: Stored, rows: list[Row], offset: int) -> Step:
        row = rows[offset - stored.block.offset]
        return Step(
            place=Range(stored.topic, stored.partition, offset, offset + 1),
            key=row[KEY],
            time=row[TIME],
            headers=row[HEADERS],
            value=row[VALUE],
            origin=row[ORIGIN],
            maker=stored.maker,
            written=stored.written,
        )

    # back

    async def _top(self, step: Step, key: str, seen: set[Range]) -> Step:
        """The first record of its way that has the key and was not seen, as far as they follow one another."""
        for _ in range(DEPTH):
            origin = self._origin(step.origin)
            if origin is None or origin.records > 1 or origin in seen:
                return step
            above = await self._step(origin.topic, origin.partition, origin.first)
            if above.kept != KEPT or above.key != key:
                return step
            step = above
        return step

    async def _back(self, step: Step) -> tuple[list[Step], list[Range]]:
        """What led to the record, the first known first, and the origins of that where they are several places."""
        way: list[Step] = []
        origins, child = [origin] if (origin := self._origin(step.origin)) else [], step
        records = origins[0].records if origins else 0
        while len(origins) == 1 and len(way) < DEPTH and origins[0] != child.place:
            child, origins, records = await self._above(origins[0], records, child)
            way.append(child)
        if len(origins) == 1:
            way[-1] = replace(way[-1], further=True)
            origins = []
        for index in range(len(way) - 1):
            if way[index].records == way[index + 1].records == 1:
                changes = await self._changes(way[index + 1], way[index + 1].passages[0], way[index])
                way[index] = replace(way[index], changes=changes)
        return way[::-1], origins

    async def _above(self, place: Range, records: int, child: Step) -> tuple[Step, list[Range], int]:
        """The record, or batch, that a step was made from, with its passage; and what that was made from, with how
        many records those are."""
        stage = child.maker or self._maker(place.topic, child.place.topic)
        step = await self._step(place.topic, place.partition, place.first)
        if records == 1:
            passage = await self._passage(stage, step) if stage else Passage("", "done", child.written)
            origins = {origin} if (origin := self._origin(step.origin)) is not None else set()
        else:
            passage, origins = Passage(stage or "", "done", child.written), set()
            for offset in range(place.first, min(place.end, place.first + STEPS)):
                one = await self._step(place.topic, place.partition, offset)
                if (origin := self._origin(one.origin)) is not None:
                    origins.add(origin)
            step = Step(place, step.kept, maker=step.maker, written=step.written, records=records)
        joined = _joined(origins)
        count = min(sum(origin.records for origin in origins), sum(origin.records for origin in joined))
        return replace(step, passages=[passage]), joined, count

    def _maker(self, origin: str, topic: str) -> str | None:
        """The stage between two topics, where only one can have made it: for blocks that do not say."""
        found = [name for source, to, name in self._arrows if (source, to) == (origin, topic)]
        return found[0] if len(found) == 1 else None

    def _origin(self, text: str | None) -> Range | None:
        """Where a record came from, by the name that the topic has now."""
        place = Range.parse(text) if text is not None else None
        passed: set[str] = set()
        while place is not None and place.topic not in self._known and place.topic in self._was:
            if place.topic in passed:
                return place
            passed.add(place.topic)
            place = place._replace(topic=self._was[place.topic])
        return place

    # on

    async def _followed(self, step: Step, depth: int) -> Step:
        """The step with its passage through every stage that reads its topic."""
        self._left -= 1
        stages = self._stages.get(step.place.topic, ())
        if stages and (depth == DEPTH or self._left <= 0):
            return replace(step, further=True)
        passages = []
        for stage in stages:
            passage = await self._passage(stage, step)
            if passage.state in ("done", "dropped"):
                outputs, more = await self._outputs(stage, step, passage)
                followed = []
                for output in outputs:
                    changes = await self._changes(step, passage, output)
                    followed.append(await self._followed(replace(output, changes=changes), depth + 1))
                passage = replace(passage, outputs=followed, more=more)
            passages.append(passage)
        return replace(step, passages=passages)

    async def _passage(self, stage: str, step: Step) -> Passage:
        place = step.place
        fate = await self._books.fate(stage, place.partition, place.first)
        return Passage(
            stage=stage,
            state=self._state(stage, place, fate),
            at=fate.at,
            reason=(fate.parked.reason if fate.parked is not None else fate.dropped) or "",
            parked=fate.parked,
            attempts=fate.attempts,
            requests=fate.requests,
        )

    def _state(self, stage: str, place: Range, fate: Fate) -> str:
        if fate.parked is not None:
            return fate.parked.state
        if fate.done:
            return "done" if fate.dropped is None else "dropped"
        began = self._begins.get((stage, place.partition), 0)
        return "outstanding" if place.first >= began and stage in self._declared else "not given"

    async def _outputs(self, stage: str, step: Step, passage: Passage) -> tuple[list[Step], int]:
        """What the stage made of the record, in the order in which it was written, and how many are left out."""
        found: list[Step] = []
        count = 0
        for stored in await self._books.made(stage, step.place.partition, step.place.first):
            stored, rows = self._hold(stored)
            for offset, row in enumerate(rows, stored.block.offset):
                origin = Range.parse(row[ORIGIN] or "")
                if origin is None or not origin.first <= step.place.first < origin.end:
                    continue
                if origin.records > 1 and passage.at not in (None, stored.written):
                    continue  # another batch, that lay around it
                count += 1
                if len(found) < OUTPUTS:
                    found.append(self._of_row(stored, rows, offset))
        return found, count - len(found)

    async def _changes(self, step: Step, passage: Passage, output: Step) -> Sequence[Change] | None:
        """What lies between a record, as the stage was given it, and one that was made of it."""
        origin = Range.parse(output.origin or "")
        if origin is None or origin.records > 1 or output.value is None:
            return None
        given = next((r.value.encode() for r, *_ in reversed(passage.requests) if r.value is not None), step.value)
        if given is None:
            return None
        return list(difference(_plain(given), _plain(output.value)))


class Edit(NamedTuple):
    """What a person has changed of a record while it was parked."""

    request: Request
    done: float
    changes: Sequence[Change]


def edits(step: Step, passage: Passage) -> list[Edit]:
    """The edits of a record at one stage, in their order, each with what it changed."""
    found = []
    value = step.value
    for request, done, _ in passage.requests:
        if request.value is not None:
            changes = list(difference(_plain(value), _plain(request.value))) if value is not None else ()
            found.append(Edit(request, done, changes))
            value = Raw(request.value.encode())
    return found


async def tracer(books: Books, survey: Survey) -> Tracer:
    """A tracer of what the store holds now."""
    return Tracer(books, survey, await books.retained())


def _note(step: Step, key: str, seen: set[Range]) -> None:
    """Notes all records with the key that a journey has."""
    left = [step]
    while left:
        one = left.pop()
        if one.key == key:
            seen.add(one.place)
        left += [output for passage in one.passages for output in passage.outputs]


def _joined(places: set[Range]) -> list[Range]:
    """The narrowest stretches that have them, one for each partition."""
    found: dict[tuple[str, int], Range] = {}
    for place in sorted(places):
        at = (place.topic, place.partition)
        known = found.get(at, place)
        found[at] = known._replace(first=min(known.first, place.first), end=max(known.end, place.end))
    return list(found.values())


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value)
