"""What `doctor` looks at: versions, the store, and for each app its settings, resources and databases.

Each check is a finding of its own, so one that fails hides no other. Nothing is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import platform
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal

import apsw
from msgspec import Struct

import onward
from onward import databases, stores
from onward.app import App
from onward.config import Config
from onward.declaration import spec_of
from onward.errors import OnwardError, PartitionsDiffer, StartNeeded, StoreNotFound, TopicDiffers
from onward.failure import kind_of, message_of
from onward.log import AppSpec, Survey
from onward.resource import Resources
from onward.settings import masked
from onward.units import counted
from onward.url import shown

State = Literal["ok", "warning", "failed"]


class Finding(Struct, frozen=True):
    """One thing that was looked at; `told` is what was seen and, unless it is fine, what to do."""

    name: str
    state: State
    told: str


async def examine(config: Config, store: str, apps: Sequence[App]) -> AsyncIterator[Finding]:
    """All findings, as they come."""
    yield Finding(
        "versions",
        "ok",
        f"onward {onward.__version__}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}",
    )
    survey: Survey | None = None
    try:
        async with stores.looking(store) as books:
            survey, mark = await books.survey(), await books.home()
        holds = f"{counted(len(survey.apps), 'app')} and {counted(len(survey.topics), 'topic')}"
        yield Finding("store", "ok", f"{shown(store)} holds {holds}")
        if mark is not None and mark.state != "here":
            yield Finding("store", "warning", mark.told(shown(store)))
    except StoreNotFound:
        yield Finding("store", "ok", f"{shown(store)} is not there yet; the first command that writes makes it")
    except OnwardError as error:
        yield Finding("store", "failed", str(error))
    with contextlib.suppress(OnwardError):  # which was said by then
        for what, state, told in await asyncio.to_thread(stores.examine, store):
            yield Finding(f"store: {what}", state, told)
    for finding in _working(survey):
        yield finding
    for app in apps:
        async for finding in _app(config, survey, app):
            yield finding


def _working(survey: Survey | None) -> Iterator[Finding]:
    """What the living workers say of what they run, and what has stopped for good."""
    if survey is None:
        return
    workers = {held.worker for held in survey.leases if held.live}
    yield Finding("workers", "ok", f"{len(workers)} at work" if workers else "none at work")
    for held in sorted(survey.leases, key=lambda held: (held.stage, held.partition)):
        if held.state.startswith("stopped:") or (held.live and held.state.startswith(("tripped", "stopped", "failed"))):
            yield Finding(f"{held.stage}:{held.partition}", "failed", held.state)


async def _app(config: Config, survey: Survey | None, app: App) -> AsyncIterator[Finding]:
    for told in misfits(survey, spec_of(app)) if survey is not None else ():
        yield Finding(f"{app.name}: declaration", "failed", told)
    faults = [setting.fault for setting in config.look(app) if setting.fault]
    for fault in faults:
        yield Finding(f"{app.name}: settings", "failed", fault)
    if faults:
        return
    settings = config.settings(app)
    yield Finding(f"{app.name}: settings", "ok", f"{len(config.look(app))} read")
    app.configure(settings)
    for stage in app.stages.values():
        if stage.within is not None:
            yield await asyncio.to_thread(_target, stage.name, stage.within.resolve(settings))
    resources = Resources(app.resources, settings)
    try:
        for name in app.resources:
            try:
                told = await _asked(await resources.open(name))
                yield Finding(f"{app.name}: resource {name}", "ok", told)
            except OnwardError as error:
                yield Finding(f"{app.name}: resource {name}", "failed", message_of(error))
    finally:
        try:
            await resources.close()
        except Exception as error:
            told = f"one failed when it was closed: {kind_of(error)}: {message_of(error)}"
            yield Finding(f"{app.name}: resources", "failed", told)


async def _asked(opened: Any) -> str:
    """What a resource says of itself by its `doctor()`, if it has one.

    Raises:
        OnwardError: something is wrong with it.
    """
    ask = getattr(opened, "doctor", None)
    if not callable(ask):
        return "opens"
    try:
        told = await (ask() if inspect.iscoroutinefunction(ask) else asyncio.to_thread(ask))
    except OnwardError:
        raise
    except Exception as error:
        raise OnwardError(f"its doctor() failed: {kind_of(error)}: {message_of(error)}") from error
    return masked(str(told))


def _target(stage: str, url: str) -> Finding:
    try:
        return Finding(f"{stage}: within", *databases.examine(url))
    except OnwardError as error:
        return Finding(f"{stage}: within", "failed", str(error))


def misfits(survey: Survey, app: AppSpec) -> list[str]:
    """Why this declaration does not fit what the store holds, or would need a word of its author's."""
    kept = {topic.topic: topic for topic in survey.topics}
    reads = {facts.stage: facts.topic for facts in survey.stages}
    found = [
        str(PartitionsDiffer(topic.name, kept[topic.name].partitions, topic.partitions))
        for topic in app.topics
        if topic.name in kept and kept[topic.name].partitions != topic.partitions
    ]
    for stage in app.stages:
        known = reads.get(stage.name) or (reads.get(stage.was) if stage.was else None)
        if known is None:
            records = kept[stage.topic].ends if stage.topic in kept else 0
            if records and stage.start is None:
                found.append(str(StartNeeded(stage.name, stage.topic, records)))
        elif known != stage.topic and not any(topic.was == known for topic in app.topics):
            found.append(str(TopicDiffers(stage.name, known, stage.topic)))
    return found


def worst(findings: Sequence[Finding]) -> State:
    """The gravest of their states."""
    states = {finding.state for finding in findings}
    return "failed" if "failed" in states else "warning" if "warning" in states else "ok"
