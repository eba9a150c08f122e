"""The declaration of an app as a store keeps it: without its code."""

from __future__ import annotations

import msgspec

from onward.app import App
from onward.errors import DeclarationError, Fault
from onward.log import AppSpec, SourceSpec, StageSpec, TableSpec, TopicSpec
from onward.shape import shape_text
from onward.spec import TaskSpec


def spec_of(app: App) -> AppSpec:
    """The app's declaration as the store keeps it.

    Raises:
        DeclarationError: a name or option is of a kind that could not be read back; a store with it in would be of use
            to nobody.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(_spec_of(app)), type=AppSpec)
    except (msgspec.ValidationError, TypeError) as error:
        what = f"a name or option is of the wrong kind: {error}"
        raise DeclarationError(app.name, [Fault(app.where, what)]) from error


def _spec_of(app: App) -> AppSpec:
    return AppSpec(
        app.name,
        tuple(
            TopicSpec(t.name, t.partitions, t.keep, t.was, "()" if callable(t.key) else t.key, shape_text(t.type))
            for t in app.topics.values()
        ),
        tuple(SourceSpec(s.name, tuple(t.name for t in s.to), s.was) for s in app.sources.values()),
        tuple(
            StageSpec(
                s.name,
                s.topic.name,
                tuple(t.name for t in s.to),
                s.start,
                s.was,
                s.within and s.within.told,
                s.review.choices if s.review else (),
                s.upgrade is not None,
                s.slows,
            )
            for s in app.stages.values()
        ),
        tuple(TaskSpec(t.name, tuple(str(one) for one in t.parameters(app))) for t in app.tasks.values()),
        tuple(
            TableSpec(t.name, tuple(t.fields.values()), t.lifecycle.moves if t.lifecycle else None, t.was)
            for t in app.tables.values()
        ),
    )
