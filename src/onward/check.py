"""What can be wrong with a declaration, found before anything runs."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from onward.errors import Fault
from onward.handler import GIVEN, Handler
from onward.source import Source
from onward.stage import Stage
from onward.topic import Topic, classes_of, fields_of

if TYPE_CHECKING:
    from onward.app import App


T = TypeVar("T")


def faults(app: App) -> Iterator[Fault]:
    """All faults of an app's declaration, in no order."""
    for topic in _all(app, app.topics):
        yield from _type_is_readable(topic)
        yield from _key_is_a_field(topic)
    for source in _all(app, app.sources):
        yield from _provided(app, source.handler, f"source {source.name}", GIVEN - {"tx", "approved", "progress"})
        if source.handler.first is None:
            yield Fault(source.where, f"source {source.name} takes no cursor; its first parameter is the cursor")
        if not source.to:
            yield Fault(source.where, f"source {source.name} has no topic; say to=")
        yield from _source_options(app, source)
    for stage in _all(app, app.stages):
        given = GIVEN if stage.within else GIVEN - {"tx"}
        if stage.review is not None:
            given |= {"decision"}
            if not stage.review.choices or "decision" not in stage.handler.needs:
                what = "takes no decision; write f(value, decision)" if stage.review.choices else "has no choices="
                yield Fault(stage.where, f"review {stage.name} {what}")
        yield from _provided(app, stage.handler, f"stage {stage.name}", given)
        yield from _takes_its_topic(stage)
        yield from _gives_its_topics(stage)
        yield from _options(app, stage)
    for resource in _all(app, app.resources):
        yield from _provided(app, resource.handler, f"resource {resource.name}", frozenset())
    yield from _tables(app)
    yield from _tasks(app)
    yield from _cycles(app)
    yield from _one_name_each(app)


def _all(app: App, declared: Mapping[str, T]) -> list[T]:
    """Those and what stands behind one of them, under its name."""
    return [
        *declared.values(),
        *(one for one in app.hidden if type(one) in {type(other) for other in declared.values()}),
    ]


def _type_is_readable(topic: Topic[Any]) -> Iterator[Fault]:
    try:
        msgspec.json.Decoder(topic.type)
    except (TypeError, ValueError, RuntimeError, NameError) as error:
        yield Fault(topic.where, f"topic {topic.name}: type={_named(topic.type)} cannot be read from JSON: {error}")


def _key_is_a_field(topic: Topic[Any]) -> Iterator[Fault]:
    fields = fields_of(topic.type)
    if isinstance(topic.key, str) and fields is not None and topic.key not in fields:
        yield Fault(
            topic.where,
            f"topic {topic.name}: key={topic.key!r} is no field of {_named(topic.type)}; "
            f"it has {', '.join(sorted(fields))}",
        )


def _provided(app: App, handler: Handler, who: str, given: frozenset[str]) -> Iterator[Fault]:
    for name, parameter in handler.needs.items():
        hint = handler.hints.get(name)
        is_settings = _takes_settings(hint, app.settings_class)
        if name in given or name in app.resources or is_settings or parameter.default is not parameter.empty:
            continue
        extra = "; tx needs within=" if name == "tx" else ""
        yield Fault(
            handler.where, f"{who}: nothing provides its parameter {name!r}; declare @app.resource def {name}{extra}"
        )


def _takes_its_topic(stage: Stage) -> Iterator[Fault]:
    handler = stage.handler
    if handler.first is None:
        yield Fault(stage.where, f"stage {stage.name} takes no parameter; the first is the value or Record")
        return
    if stage.batch is not None and handler.first.name in handler.hints and not handler.takes_list:
        yield Fault(stage.where, f"stage {stage.name} has batch={stage.batch}; its first parameter is a list")
    wanted, has = classes_of(handler.value_type), stage.topic.classes
    if wanted is None or has is None or has <= wanted:
        return
    if not all(any(issubclass(class_, other) for other in wanted) for class_ in has):
        yield Fault(
            stage.where,
            f"stage {stage.name} takes {_named(handler.value_type)}, topic {stage.topic.name} has "
            f"{_named(stage.topic.type)}",
        )


def _gives_its_topics(stage: Stage) -> Iterator[Fault]:
    gives = stage.handler.gives
    for member in gives or ():
        classes = classes_of(member)
        if not stage.to:
            yield Fault(stage.where, f"stage {stage.name} gives {_named(member)} but has no to=")
        elif classes is not None and not all(any(_takes(topic, c) for topic in stage.to) for c in classes):
            topics = ", ".join(f"{topic.name} ({_named(topic.type)})" for topic in stage.to)
            yield Fault(stage.where, f"stage {stage.name} gives {_named(member)}, which fits none of {topics}")


def _takes(topic: Topic[Any], class_: type) -> bool:
    return topic.classes is None or class_ in topic.classes


def _options(app: App, stage: Stage) -> Iterator[Fault]:
    for what in stage.wrong:
        yield Fault(stage.where, f"stage {stage.name}: {what}")
    try:
        stage.retry.delay(1)
    except ValueError as error:
        yield Fault(stage.where, f"stage {stage.name}: Retry: {error}")
    if stage.fill is not None and stage.batch is None:
        yield Fault(stage.where, f"stage {stage.name}: fill= is how long a batch is waited for; say batch=, too")
    if stage.split and stage.effect:
        yield Fault(stage.where, f"stage {stage.name}: split=True, but what it does outside cannot be taken back")
    if stage.rate is not None and stage.rate.where and stage.rate not in app.rates.values():
        yield Fault(stage.where, f"stage {stage.name}: rate={stage.rate!r} was made by another app")
    yield from _is_a_field(stage, "idempotency", stage.idempotency)
    if stage.dedupe is not None:
        yield from _is_a_field(stage, "dedupe", stage.dedupe.by)
        if stage.topic.key is None and stage.topic.partitions > 1:
            yield Fault(
                stage.where,
                f"stage {stage.name}: dedupe= tells repeats within a partition, and topic {stage.topic.name} spreads "
                "records over several without a key; give the topic a key=",
            )
    if stage.within and stage.handler.is_async:
        yield Fault(
            stage.where,
            f"stage {stage.name}: within= takes a plain def; an async def would hold its transaction while others run",
        )
    if stage.long and stage.batch:
        yield Fault(stage.where, f"stage {stage.name}: long=True and batch= exclude each other: each record by itself")
    if stage.long and stage.within:
        yield Fault(
            stage.where, f"stage {stage.name}: long=True and within= exclude each other: it would lock for hours"
        )
    if stage.within and stage.isolate:
        yield Fault(
            stage.where, f"stage {stage.name}: isolate=True and within= exclude each other: tx is not elsewhere"
        )
    if stage.within and stage.effect:
        yield Fault(stage.where, f"stage {stage.name}: within= and effect=True exclude each other; use two stages")


def _source_options(app: App, source: Source) -> Iterator[Fault]:
    for fault in source.faults:
        yield Fault(source.where, f"source {source.name}: {fault}")
    if source.saved is not None:
        yield from _provided(app, source.saved, f"source {source.name}: saved={source.saved.name}", frozenset())
        if source.saved.first is None:
            yield Fault(source.where, f"source {source.name}: saved={source.saved.name} takes no cursor")


def _is_a_field(stage: Stage, option: str, value: Any) -> Iterator[Fault]:
    fields = fields_of(stage.topic.type)
    if isinstance(value, str) and fields is not None and value not in fields:
        yield Fault(
            stage.where,
            f"stage {stage.name}: {option}={value!r} is no field of {_named(stage.topic.type)}; "
            f"it has {', '.join(sorted(fields))}",
        )


def _cycles(app: App) -> Iterator[Fault]:
    def visit(name: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if name in path:
            yield (*path[path.index(name) :], name)
            return
        for need in app.resources[name].handler.needs:
            if need in app.resources:
                yield from visit(need, (*path, name))

    seen: set[frozenset[str]] = set()
    for name, resource in app.resources.items():
        for cycle in visit(name, ()):
            if frozenset(cycle) not in seen:
                seen.add(frozenset(cycle))
                yield Fault(resource.where, f"resources need each other in a circle: {' -> '.join(cycle)}")


def _tables(app: App) -> Iterator[Fault]:
    for table in _all(app, app.tables):
        who, fields = f"table {table.name}", fields_of(table.type)
        for option, name in (("key", table.key), *(("index", name) for name in table.index)):
            if isinstance(name, str) and fields is not None and name not in fields:
                has = ", ".join(sorted(fields))
                yield Fault(table.where, f"{who}: {option}={name!r} is no field of {_named(table.type)}; it has {has}")
        if table.lifecycle is not None:
            known = table.lifecycle.moves
            for what in table.lifecycle.wrong:
                yield Fault(table.where, f"{who}: {what}")
            if table.lifecycle.wrong:
                continue
            if not known or any(state not in known for state in table.lifecycle.first):
                yield Fault(table.where, f"{who}: a life-cycle has states, and first= is one of them")


def _tasks(app: App) -> Iterator[Fault]:
    for task in _all(app, app.tasks):
        if task.handler.is_generator:
            yield Fault(task.where, f"task {task.name} yields; a task returns what came of it")
        if task.handler.takes_any:
            yield Fault(task.where, f"task {task.name} takes * or **; name its arguments, as a command gives them")
        for parameter in task.parameters(app):
            try:
                msgspec.json.Decoder(parameter.type, dec_hook=lambda type_, value: value)
            except (TypeError, ValueError, RuntimeError) as error:
                yield Fault(task.where, f"task {task.name}: nothing can be given as {parameter.name!r}: {error}")


def _one_name_each(app: App) -> Iterator[Fault]:
    kinds: tuple[Mapping[str, Any], ...] = (app.sources, app.stages, app.tasks)
    for first, second in itertools.combinations(kinds, 2):
        for full in first.keys() & second.keys():
            yield Fault(second[full].where, f"{full} is already declared at {first[full].where}")


def _named(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) and not typing.get_args(type_) else str(type_)


def _takes_settings(hint: Any, class_: type | None) -> bool:
    """Whether it is the settings class, or one that it extends."""
    return class_ is not None and hint in class_.__mro__ and hint not in (object, Struct)
