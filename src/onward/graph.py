"""An app's pipeline as text, as a mermaid flowchart, or as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from onward.log import AppSpec, StageSpec


def text(app: AppSpec) -> str:
    """A line for every arrow, in the order in which records flow; `(put)` where nothing of the app writes."""
    lines = [app.name]
    for source in app.sources:
        lines.append(f"  [{_short(source.name)}] -> {_listed(app, source.to)}")
    written = {to for source in app.sources for to in source.to} | {to for stage in app.stages for to in stage.to}
    for topic in app.topics:
        if topic.name not in written:
            lines.append(f"  (put) -> {_short(topic.name)}")
    for stage in _flowing(app):
        to = f" -> {_listed(app, stage.to)}" if stage.to else ""
        lines.append(f"  {_named(app, stage.topic)} -> [{_short(stage.name)}]{to}")
    return "\n".join(lines)


def mermaid(app: AppSpec) -> str:
    """A flowchart: topics round, sources slanted, stages square."""
    ids: dict[str, str] = {}
    lines = ["flowchart LR"]

    def shown(name: str, left: str, right: str) -> str:
        if name not in ids:
            ids[name] = f"n{len(ids)}"
            lines.append(f'  {ids[name]}{left}"{_named(app, name)}"{right}')
        return ids[name]

    def topic(name: str) -> str:
        return shown(name, "([", "])")

    for one in app.topics:
        topic(one.name)
    for source in app.sources:
        shown(source.name, "[/", "/]")
    for stage in app.stages:
        shown(stage.name, "[", "]")
    for source in app.sources:
        lines += [f"  {ids[source.name]} --> {topic(to)}" for to in source.to]
    for stage in _flowing(app):
        lines.append(f"  {topic(stage.topic)} --> {ids[stage.name]}")
        lines += [f"  {ids[stage.name]} --> {topic(to)}" for to in stage.to]
    return "\n".join(lines)


def document(app: AppSpec) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "app": app.name,
        "topics": [{"name": topic.name, "partitions": topic.partitions} for topic in app.topics],
        "sources": [{"name": source.name, "to": list(source.to)} for source in app.sources],
        "stages": [{"name": stage.name, "topic": stage.topic, "to": list(stage.to)} for stage in app.stages],
    }


def _flowing(app: AppSpec) -> Iterator[StageSpec]:
    """Stages, each after those that write what it reads, as far as that goes: there may be circles."""
    left = list(app.stages)
    while left:
        waiting = {topic for stage in left for topic in stage.to if topic != stage.topic}
        ready = [stage for stage in left if stage.topic not in waiting] or left[:1]
        yield from ready
        left = [stage for stage in left if stage not in ready]


def _named(app: AppSpec, name: str) -> str:
    """The short name of what is the app's own."""
    return _short(name) if name.startswith(f"{app.name}.") else name


def _listed(app: AppSpec, names: Sequence[str]) -> str:
    return ", ".join(_named(app, name) for name in names)


def _short(name: str) -> str:
    return name.rpartition(".")[2]
