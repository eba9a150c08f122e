"""A journey as a tree: drawn for a person, indented off a terminal, and as objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from onward.cli.show import in_line
from onward.difference import Change
from onward.log import Attempt
from onward.parked import carried_out_told
from onward.settings import masked
from onward.trace import KEPT, Journey, Passage, Step, edits
from onward.units import instant_text

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDE = 200
"""Letters of a value in a drawing."""

CHANGES = 10
"""Changes in a drawing."""


class Branch(NamedTuple):
    """A line of a drawing, with what stands under it."""

    text: str
    style: str = ""
    under: tuple[Branch, ...] = ()


def drawn(journey: Journey) -> RenderableType:
    """For a terminal."""
    from rich.text import Text
    from rich.tree import Tree

    branch = _journey(journey)
    top = Tree(Text(branch.text, style=branch.style))
    left = [(top, branch)]
    while left:
        tree, branch = left.pop()
        for one in branch.under:
            left.append((tree.add(Text(one.text, style=one.style)), one))
    return top


def plain(journey: Journey) -> str:
    """As indented lines."""
    found: list[str] = []
    left = [(_journey(journey), 0)]
    while left:
        branch, depth = left.pop()
        found.append(f"{'  ' * depth}{branch.text}")
        left += [(one, depth + 1) for one in reversed(branch.under)]
    return "\n".join(found)


def _journey(journey: Journey) -> Branch:
    below = _step(journey.at, traced=bool(journey.before))
    for step in reversed(journey.before):
        passage = step.passages[0]
        through = Branch(_passage_text(passage), _style(passage.state), (*_attempted(step, passage), below))
        below = Branch(_step_text(step), "dim" if step.kept != KEPT else "", (*_facts(step), through))
    if journey.roots:
        places = ", ".join(map(str, journey.roots[:CHANGES]))
        more = f" and {len(journey.roots) - CHANGES} more places" if len(journey.roots) > CHANGES else ""
        below = Branch(f"{places}{more}: trace these to go further back", "dim", (below,))
    elif journey.before and journey.before[0].further:
        below = Branch(f"{journey.before[0].origin}: trace it to go further back", "dim", (below,))
    return below


def _step(step: Step, *, traced: bool = False) -> Branch:
    under = [*_facts(step)]
    for passage in step.passages:
        rest = [_step(output) for output in passage.outputs]
        if passage.more:
            rest.append(Branch(f"and {passage.more} more records", "dim"))
        head = _attempted(step, passage)
        under.append(Branch(_passage_text(passage), _style(passage.state), (*head, *rest)))
    if step.further:
        under.append(Branch("goes on; trace it to follow further", "dim"))
    style = "bold" if traced else "dim" if step.kept != KEPT else ""
    return Branch(("* " if traced else "") + _step_text(step), style, tuple(under))


def _step_text(step: Step) -> str:
    if step.place.records > 1:
        gone = f", {step.kept}" if step.kept != KEPT else ""
        return f"{step.place}  {step.records} {'records' if step.records > 1 else 'record'} of these{gone}"
    if step.kept != KEPT:
        return f"{step.place}  {step.kept}"
    key = f"key {in_line(step.key)}" if step.key is not None else "no key"
    return f"{step.place}  {key}  {step.time}"


def _facts(step: Step) -> Iterator[Branch]:
    """Where it came from if it is a first one, and its value or what is new in it."""
    if step.written is not None and step.origin is None and step.place.records == 1:
        yield Branch(f"{f'brought by {step.maker}' if step.maker else 'put'} {instant_text(step.written)}", "dim")
    if step.headers:
        yield Branch(f"headers {_cut(msgspec.json.encode(step.headers).decode())}")
    if step.value is not None and step.changes is None:
        yield Branch(f"value {_cut(bytes(step.value).decode())}")
    elif step.changes is not None:
        yield from _changes(step.changes)


def _changes(changes: Any) -> Iterator[Branch]:
    if not changes:
        yield Branch("unchanged", "dim")
    for change in changes[:CHANGES]:
        yield Branch(*_change(change))
    if len(changes) > CHANGES:
        yield Branch(f"and {len(changes) - CHANGES} more changes", "dim")


def _change(change: Change) -> tuple[str, str]:
    path = in_line(change.path) or "value"
    if change.before is UNSET:
        return f"+ {path} {_json(change.after)}", "green"
    if change.after is UNSET:
        return f"- {path} {_json(change.before)}", "red"
    return f"~ {path} {_json(change.before)} -> {_json(change.after)}", "yellow"


def _passage_text(passage: Passage) -> str:
    name = passage.stage or "(a stage that is not known)"
    when = f" {instant_text(passage.at)}" if passage.at is not None else ""
    why = f": {in_line(passage.reason)}" if passage.reason else ""
    row = passage.parked
    if row is not None:
        due = f", due {instant_text(row.due)}" if row.state == "retrying" else ""
        why = why or (f": {in_line(row.error)}" if row.error else "")
        why = why or (": an older record of its key is parked" if row.state == "behind" else "")
        return f"{name}: {row.state} since {instant_text(row.since)}{due}{why}"
    if passage.state == "done" and passage.at is None:
        return f"{name}: done, when is not known any more"
    return f"{name}: {passage.state}{when}{why}"


def _attempted(step: Step, passage: Passage) -> tuple[Branch, ...]:
    """What was tried and what people did, in the order in which it was."""
    found = [(attempt.at, 0, _attempt(attempt)) for attempt in passage.attempts]
    edited = {edit.request.id: edit for edit in edits(step, passage)}
    for request, done, result in passage.requests:
        said = f"{request.action} asked for by {in_line(request.by)} {instant_text(request.at)}"
        under = tuple(_changes(edited[request.id].changes)) if request.id in edited else ()
        found.append((done, 1, Branch(f"{said}, carried out {instant_text(done)}: {result}", "cyan", under)))
    return tuple(branch for _, _, branch in sorted(found, key=lambda one: one[:2]))


def _attempt(attempt: Attempt) -> Branch:
    head = f"{attempt.told} {instant_text(attempt.at)}"
    if not attempt.error:
        return Branch(f"{head}: passed", "green")
    took = f" after {attempt.took:.3f} s"
    return Branch(f"{head}{took}: {attempt.error}: {_cut(masked(attempt.message))}", "red")


def _style(state: str) -> str:
    return {"dead": "red", "retrying": "yellow", "waiting": "yellow", "behind": "yellow"}.get(state, "blue")


def _json(value: Any) -> str:
    return _cut(msgspec.json.encode(value).decode(), WIDE // 3)


def _cut(text: str, most: int = WIDE) -> str:
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} letters)"


# as objects


def lines(journey: Journey, number: int) -> Iterator[dict[str, Any]]:
    """An object for each record, those before it first, what was made of a record after it."""
    for root in journey.roots:
        yield {"journey": number, "position": str(root), "kept": None, "records": root.records, "traced": False}
    for step in journey.before:
        yield _object(step, number, traced=False)
    left = [journey.at]
    while left:
        step = left.pop()
        yield _object(step, number, traced=step is journey.at)
        left += [output for passage in reversed(step.passages) for output in reversed(passage.outputs)]


def _object(step: Step, number: int, *, traced: bool) -> dict[str, Any]:
    place = step.place
    return {
        "journey": number,
        "position": str(place),
        "traced": traced,
        "kept": step.kept,
        "records": step.records,
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.first,
        "key": step.key,
        "time": step.time or None,
        "headers": step.headers or {},
        "value": step.value,
        "origin": step.origin,
        "maker": step.maker,
        "written": None if step.written is None else instant_text(step.written),
        "difference": step.changes,
        "further": step.further,
        "stages": [_stage(step, passage) for passage in step.passages],
    }


def _stage(step: Step, passage: Passage) -> dict[str, Any]:
    row = passage.parked
    edited = {edit.request.id: edit.changes for edit in edits(step, passage)}
    return {
        "stage": passage.stage or None,
        "state": passage.state,
        "at": None if passage.at is None else instant_text(passage.at),
        "reason": passage.reason,
        "error": row.error if row is not None else "",
        "since": instant_text(row.since) if row is not None else None,
        "due": instant_text(row.due) if row is not None and row.state == "retrying" else None,
        "attempts": [
            {
                **{name: value for name, value in attempt._asdict().items() if name != "offset"},
                "at": instant_text(attempt.at),
            }
            for attempt in passage.attempts
        ],
        "requests": [
            {**carried_out_told(request, done, result), "difference": edited.get(request.id)}
            for request, done, result in passage.requests
        ],
        "outputs": [str(output.place) for output in passage.outputs],
        "more": passage.more,
    }
