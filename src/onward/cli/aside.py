"""A parked record as it is shown whole, and what came of what was asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from onward.cli import show
from onward.log import Books
from onward.parked import Asked, Found
from onward.survey import Fate
from onward.units import instant_text

ANSWER = 5.0
"""Seconds that the answer of a living worker is waited for."""


async def answers_of(books: Books, asked: Sequence[Asked]) -> dict[int, str]:
    """What came of them, as far as workers live that carry them out and do so soon."""
    ids = [one.id for one in asked if one.id is not None]
    live = {(held.stage, held.partition) for held in (await books.survey()).leases if held.live}
    waited = [one.id for one in asked if one.id is not None and (one.stage, one.partition) in live]
    end = time.monotonic() + ANSWER
    while True:
        answers = dict(await books.answers(ids))
        if all(id_ in answers for id_ in waited) or time.monotonic() > end:
            return answers
        await asyncio.sleep(0.05)


async def fate_of(books: Books, found: Found) -> Fate:
    return await books.fate(found.stage, found.partition, found.row.offset)


def whole(found: Found, fate: Fate) -> str:
    told = found.told()
    origin, key, when, headers, value = msgspec.json.decode(found.row.entry)
    lines = [
        f"{found.topic}:{found.partition}:{found.row.offset} of stage {found.stage}: {found.row.state}",
        f"  key       {show.in_line(key) if key is not None else '-'}",
        f"  time      {when}",
        f"  origin    {origin or '-'}",
        f"  headers   {msgspec.json.encode(headers or {}).decode()}",
        f"  value     {msgspec.json.encode(value).decode()}",
        f"  since     {told['since']}",
    ]
    if told["due"]:
        lines.append(f"  due       {told['due']}")
    if found.row.reason:
        lines.append(f"  reason    {show.in_line(found.row.reason)}")
    if found.row.approved:
        lines.append("  approved  yes")
    for one in found.attempts:
        what = f"{one.error}: {show.in_line(one.message)}" if one.error else "passed"
        lines.append(f"  {one.told} {instant_text(one.at)} after {one.took:.3f} s: {what}")
        lines += [f"    {line}" for line in one.traceback.splitlines()]
    for request, done, result in fate.requests:
        lines.append(f"  {request.action} asked for by {request.by}, carried out {instant_text(done)}: {result}")
        if request.value is not None:
            lines.append("    the record as it came stands in its topic; `onward trace` shows what was changed")
    return "\n".join(lines)
