"""What a request of somebody changes, once the holder of the lease comes to it. Reads nothing but its arguments."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from onward import codec
from onward.codec import KEY, UNFIT, VALUE, Codec
from onward.commit import Answer
from onward.draft import Draft
from onward.errors import BadRecord, RecordTooLarge, Refused
from onward.failure import kind_of, message_of
from onward.log import Parked, Request
from onward.misfit import misfit
from onward.parking import named
from onward.review import Review
from onward.span import spans_of
from onward.topic import Topic

_value = msgspec.json.Decoder(Raw)


def carried_out(
    request: Request,
    rows: Sequence[Parked],
    topic: Topic[object],
    reader: Codec,
    now: float,
    review: Review | None = None,
) -> Draft:
    """The changes that a request means for the rows that match it; but for a drop they come with their copies.

    What was asked for as it was seen, and is not so any more, is left, and the answer says how many.
    """
    draft = Draft()
    said = ""
    wanted = named(request.match)
    left = f"; {wanted - len(rows)} not as seen any more, and left" if wanted > len(rows) else ""
    match request.action:
        case "drop":
            for row in rows:
                draft.unpark[row.offset] = None
                draft.finished.append((row.offset, row.offset + 1))
            draft.done = len(rows)
            draft.drop((f"by {request.by}", row.offset) for row in rows)
            said = f"{len(rows)} dropped"
        case "retry":
            undecided = sum(row.state == "waiting" for row in rows) if review is not None else 0
            rows = [row for row in rows if row.state != "behind" and not (undecided and row.state == "waiting")]
            draft.park = {row.offset: _again(row, now) for row in rows}
            said = f"{len(rows)} to be tried" + (f"; {undecided} wait for a decision" if undecided else "")
        case "edit":
            rows, said = _edited(request, rows, topic, reader)
            draft.park = {row.offset: row for row in rows}
        case "decide":
            refused: tuple[list[Parked], str] = [], "refused: this is no review"
            rows, said = refused if review is None else review.decide(request, rows, now)
            draft.park = {row.offset: row for row in rows}
    draft.answered.append(Answer(request.id, f"{said}{left}", spans_of(sorted(row.offset for row in rows))))
    return draft


def edited(entry: bytes, value: bytes | str, topic: Topic[object], reader: Codec) -> bytes:
    """The copy of a record with another value, as JSON has it.

    Raises:
        Refused: it is no JSON, does not fit the topic's type, is too large, or has another key.
    """
    try:
        compact = msgspec.json.format(value.encode() if isinstance(value, str) else value, indent=-1)
    except msgspec.MsgspecError as error:
        raise Refused(f"the new value is no JSON: {misfit(error, value)}") from error
    parts: list[Raw] = codec.split(entry)
    parts[VALUE] = Raw(compact)
    made = codec.encode(parts)
    key = msgspec.json.decode(parts[KEY])
    try:
        now = topic.key_of(reader.decode_one(made)[VALUE], key)
        if len(made) > topic.max_record:
            raise RecordTooLarge(topic.name, key, len(made), topic.max_record)
    except BadRecord as error:
        why = str(error).removeprefix(UNFIT)
        raise Refused(f"the new value is no record of topic {topic.name}: {why}") from error
    except Exception as error:  # the topic's key function meets what it was not made for
        raise Refused(
            f"the new value has no key in topic {topic.name}: {kind_of(error)}: {message_of(error)}"
        ) from error
    if now != key:
        raise Refused(
            f"the new value has key {now!r} and the record {key!r}: a key may not change, as the record has its place "
            "in the order of that key; drop it and put another one"
        )
    return made


def copy_name(entry: bytes) -> int:
    """What an edit names the copy by that it was made from, so that it does not go over another one."""
    return zlib.crc32(entry)


def _edited(
    request: Request, rows: Sequence[Parked], topic: Topic[object], reader: Codec
) -> tuple[Sequence[Parked], str]:
    if request.value is None or not rows:
        return (), "0 edited"
    if any(copy_name(row.entry) != request.match.get("copy", copy_name(row.entry)) for row in rows):
        return (), "0 edited: somebody else has edited it meanwhile"
    try:
        changed = [replace(row, entry=edited(row.entry, request.value, topic, reader)) for row in rows]
    except Refused as error:
        return (), f"0 edited: {error}"
    return changed, f"{len(changed)} edited"


def _again(row: Parked, now: float) -> Parked:
    """The row as it is after somebody said to try it again: due at once, its attempts counted anew."""
    approved = row.approved or row.state == "waiting"
    return replace(row, state="retrying", due=now, attempts=0, approved=approved, batch=None)
