"""Rows as values, and values as rows, where SQLite and PostgreSQL have the same columns.

What is read differs in its kinds only: an instant is text in SQLite and seconds in PostgreSQL, and SQLite has numbers
for true and false. Both are given an instant as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from onward.commit import Answer, State
from onward.document import Document, Edit
from onward.log import AppSpec, Attempt, Block, Parked, Range, Replay, Request, SourceState, Span, Totals
from onward.span import holds, length
from onward.survey import Evidence, PartitionFacts, ReplayFacts, Stored
from onward.task_run import TaskRun
from onward.units import instant, instant_text

Row = tuple[Any, ...]

Counts = dict[tuple[str, int], dict[State, int]]
"""By stage and partition how many records are parked in each state."""

spans_from = msgspec.json.Decoder(list[Span]).decode
drops_from = msgspec.json.Decoder(list[tuple[str, list[Span]]]).decode
totals_from = msgspec.json.Decoder(Totals).decode
spec_from = msgspec.json.Decoder(AppSpec).decode


def at_from(found: str | float) -> float:
    return instant(found) if isinstance(found, str) else found


def parked_from(row: Row) -> Parked:
    """Of a row with its copy, or without."""
    offset, key, state, due, attempts, since, error, reason, batch, approved, *copy = row
    entry, nonce = copy or (b"", "")
    return Parked(
        offset=offset,
        key=key,
        state=state,
        due=at_from(due),
        attempts=attempts,
        since=at_from(since),
        error=error,
        reason=reason,
        batch=batch,
        approved=bool(approved),
        entry=entry,
        nonce=nonce,
    )


def attempt_from(row: Row) -> Attempt:
    offset, number, at, *rest = row
    return Attempt(offset, number, at_from(at), *rest)


def ahead_from(found: Iterable[Row], next_: int) -> list[Span]:
    """What rows of progress have finished beyond `next`, ascending."""
    return sorted((max(first, next_), end) for (text,) in found for first, end in spans_from(text) if end > next_)


def done_from(found: Iterable[Sequence[Any]], offset: int) -> tuple[bool, float | None, str | None]:
    """Whether one of these rows of progress has finished an offset; when, and if it was dropped why."""
    for written, finished, dropped in found:
        if holds(spans_from(finished), offset):
            drops = drops_from(dropped) if dropped is not None else ()
            reason = next((reason for reason, spans in drops if holds(spans, offset)), None)
            return True, at_from(written), reason
    return False, None, None


def request_from(row: Row) -> Request:
    id_, stage, partition, action, match, by, at, value = row
    return Request(id_, stage, partition, action, json.loads(match), by, at_from(at), value)


def request_row(request: Request) -> dict[str, Any]:
    row = request._asdict() | {"match": json.dumps(request.match), "at": instant_text(request.at)}
    del row["id"]
    return row


def carried_out_from(row: Row) -> tuple[Request, float, str]:
    """A request, when it was carried out, and what came of it."""
    *request, done, result = row
    return request_from(tuple(request)), at_from(done), result


def answer_row(answer: Answer, now: str) -> dict[str, Any]:
    id_, result, offsets = Answer(*answer)
    spans = msgspec.json.encode(offsets).decode() if offsets else None
    return {"id": id_, "done": now, "result": result, "offsets": spans}


def replay_from(row: Row, ranges: Sequence[Range]) -> Replay:
    number, stage, key, rate, same_id, by, at, cancelled = row
    return Replay(
        stage=stage,
        ranges=tuple(ranges),
        key=key,
        rate=rate,
        same_id=bool(same_id),
        by=by,
        at=at_from(at),
        number=number,
        cancelled=cancelled is not None,
    )


def document_from(row: Row) -> Document:
    table, key, version, state, value, at = row
    return Document(table, key, version, state, None if value is None else value.encode(), at_from(at))


def edit_from(row: Row) -> Edit:
    table, key, version, action, state, value, at, by, origin = row
    return Edit(table, key, version, action, state, None if value is None else value.encode(), at_from(at), by, origin)


def counts_from(found: Iterable[Row]) -> Counts:
    counts: Counts = {}
    for stage, partition, state, count in found:
        counts.setdefault((stage, partition), {})[state] = count
    return counts


def replay_facts(
    row: Row,
    ranges: Sequence[Row],
    topics: Mapping[str, str],
    parked: Counts,
    stands: Callable[[str, int], tuple[int, Totals]],
    ahead: Callable[[str, int, int], list[Span]],
) -> ReplayFacts:
    """A replay and its ranges as they stand.

    Args:
        topics: what each stage reads.
        stands: `next` and the totals of a stage and partition.
        ahead: what these have finished beyond an offset.
    """
    replay = replay_from(row, [Range(*range_) for *range_, _ in ranges])
    parts = []
    for partition, first, end, _ in replay.ranges:
        next_, totals = stands(replay.name, partition)
        next_ = max(next_, first)
        parts.append(
            PartitionFacts(
                stage=replay.name,
                topic=topics.get(replay.stage, ""),
                partition=partition,
                begins=first,
                end=end,
                next=next_,
                ahead=length(ahead(replay.name, partition, next_)),
                totals=totals,
                parked=parked.get((replay.name, partition), {}),
                recent=0,
                holder=None,
            )
        )
    return ReplayFacts(replay, parts, [range_[0] for range_ in ranges if range_[-1] is not None])


def evidence_from(
    facts: PartitionFacts, finished: Iterable[Row], folded: Sequence[Span], counted: int, parked: Iterable[Row]
) -> Evidence:
    """What rows of progress have finished, and what was folded of them and `counted` then, with what is parked."""
    spans = [span for (text,) in finished for span in spans_from(text)]
    rows = [(offset, key, state) for offset, key, state in parked]
    return Evidence(facts, sorted([*folded, *spans]), rows, counted - length(folded))


def stored_from(row: Row) -> Stored:
    topic, partition, offset, count, nonce, entries, written, maker = row
    return Stored(topic, partition, Block(offset, count, entries, nonce), at_from(written), maker)


def source_from(found: Sequence[Row]) -> SourceState:
    """Of its row, if it has one."""
    if not found:
        return SourceState()
    cursor, emitted, last_run, next_run, state = found[0]
    return SourceState(
        cursor=None if cursor is None else cursor.encode(),
        emitted=msgspec.json.decode(emitted, type=dict[str, int]),
        last_run=None if last_run is None else at_from(last_run),
        next_run=None if next_run is None else at_from(next_run),
        state=state,
    )


def source_to(state: SourceState) -> dict[str, Any]:
    return {
        "cursor": None if state.cursor is None else state.cursor.decode(),
        "emitted": msgspec.json.encode(state.emitted).decode(),
        "last_run": None if state.last_run is None else instant_text(state.last_run),
        "next_run": None if state.next_run is None else instant_text(state.next_run),
        "state": state.state,
    }


def run_from(row: Row) -> TaskRun:
    id_, task, by, process, started, ended, arguments, outcome, error, result, output = row
    return TaskRun(
        task=task,
        by=by,
        process=process,
        started=at_from(started),
        arguments=arguments.encode(),
        id=id_,
        ended=None if ended is None else at_from(ended),
        outcome=outcome,
        error=error,
        result=None if result is None else result.encode(),
        output=output,
    )


def run_to(run: TaskRun) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(run),
        "id": run.id or None,
        "started": instant_text(run.started),
        "ended": None if run.ended is None else instant_text(run.ended),
        "arguments": run.arguments.decode(),
        "result": None if run.result is None else run.result.decode(),
    }
