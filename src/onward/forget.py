"""Forgetting: what a name means, what stands in the way, and how a declaration looks without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec.structs import replace

from onward.errors import InUse, Refused
from onward.log import AppSpec, Forgetting, Survey

Kind = Literal["stage", "source", "topic", "app"]
KINDS: tuple[Kind, ...] = ("stage", "source", "topic", "app")


def meant(survey: Survey, name: str, kind: Kind | None = None) -> Forgetting:
    """What is called so, in full or in short; of an app all that is its own.

    Raises:
        Refused: nothing, or more than one thing, is called so.
    """
    known = {
        "stage": {one.stage for one in survey.stages},
        "source": {*survey.sources, *(source.name for app in survey.apps for source in app.sources)},
        "topic": {one.topic for one in survey.topics},
        "app": {app.name for app in survey.apps},
    }
    fitting = [
        (of, one)
        for of in KINDS
        if kind in (None, of)
        for one in sorted(known[of])
        if name in (one, one.partition(".")[2])
    ]
    if not fitting:
        all_ = sorted(one for of in KINDS if kind in (None, of) for one in known[of])
        raise Refused(f"there is no {kind or 'stage, source, topic or app'} {name!r}; there are {', '.join(all_)}")
    if len(fitting) > 1:
        told = " or ".join(f"the {of} {one}" for of, one in fitting)
        raise Refused(f"{name!r} may be {told}; say which, in full, and by --kind")
    [(of, one)] = fitting
    if of == "app":
        own = {each: tuple(sorted(n for n in known[each] if n.startswith(f"{one}."))) for each in KINDS}
        return Forgetting(own["stage"], own["source"], own["topic"], (one,))
    return Forgetting(**{f"{of}s": (one,)})


def without(spec: AppSpec, what: Forgetting) -> AppSpec:
    """A declaration without what is forgotten; what still names a topic that is goes on naming it."""
    return replace(
        spec,
        topics=tuple(topic for topic in spec.topics if topic.name not in what.topics),
        sources=tuple(source for source in spec.sources if source.name not in what.sources),
        stages=tuple(stage for stage in spec.stages if stage.name not in what.stages),
    )


def writers(apps: Iterable[AppSpec], topics: Iterable[str]) -> dict[str, str]:
    """Stages and sources that write to one of these topics, and to which."""
    wanted = set(topics)
    return {part.name: topic for app in apps for part in app.parts for topic in part.to if topic in wanted}


def check(
    what: Forgetting,
    apps: Iterable[AppSpec],
    readers: Mapping[str, str],
    users: Iterable[tuple[str, str]],
) -> None:
    """Whether nothing stands in the way.

    Args:
        readers: every stage that the store knows, and its topic.
        users: what living workers hold or want, each with the worker.

    Raises:
        InUse: something does; all that does is named.
    """
    faults = list(_faults(what, list(apps), readers, list(users)))
    if faults:
        raise InUse(faults)


def _faults(
    what: Forgetting, apps: list[AppSpec], readers: Mapping[str, str], users: list[tuple[str, str]]
) -> Iterator[str]:
    for stage, topic in sorted(readers.items()):
        if topic in what.topics and stage not in what.stages:
            yield f"stage {stage} reads topic {topic}; forget the stage first"
    writing = writers(apps, what.topics)
    told = set()
    for name, worker in sorted(users):
        if (name, worker) in told:
            continue
        told.add((name, worker))
        if name in what.stages or name in what.sources:
            yield f"worker {worker} runs {name}; stop it first"
        elif name in writing:
            yield f"worker {worker} runs {name}, which writes to {writing[name]}; stop it first"
