"""What a store knows of an app: its declaration without its code, as names, topics and arrows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from onward.document import Field


class TopicSpec(Struct, frozen=True, omit_defaults=True):
    """A topic as the store knows it. `key` is the field that is its key, `()` where a function makes it."""

    name: str
    partitions: int
    keep: float
    was: str | None = None
    key: str | None = None
    shape: str | None = None
    """What its records look like, as `onward.shape` tells it."""


class SourceSpec(Struct, frozen=True, omit_defaults=True):
    name: str
    to: tuple[str, ...]
    was: str | None = None


class StageSpec(Struct, frozen=True, omit_defaults=True):
    name: str
    topic: str
    to: tuple[str, ...]
    start: Literal["first", "now"] | None = None
    was: str | None = None
    within: str | None = None
    choices: tuple[str, ...] = ()
    """Of a review: what may be decided."""
    upgrades: bool = False
    slows: bool = True
    """Whether sources before it go slowly while it has tripped."""


class TaskSpec(Struct, frozen=True, omit_defaults=True):
    """A task, and each of its arguments as a person reads it."""

    name: str
    takes: tuple[str, ...] = ()


class TableSpec(Struct, frozen=True):
    """A table: its indexed fields, and where it has states, which may follow which."""

    name: str
    index: tuple[Field, ...] = ()
    moves: dict[str, tuple[str, ...]] | None = None
    was: str | None = None


class AppSpec(Struct, frozen=True, omit_defaults=True):
    """An app's declaration without its code: names, topics and arrows."""

    name: str
    topics: tuple[TopicSpec, ...]
    sources: tuple[SourceSpec, ...]
    stages: tuple[StageSpec, ...]
    tasks: tuple[TaskSpec, ...] = ()
    tables: tuple[TableSpec, ...] = ()

    @property
    def parts(self) -> tuple[SourceSpec | StageSpec, ...]:
        """Its sources and stages."""
        return (*self.sources, *self.stages)

    def gone(self, known: Iterable[str]) -> set[str]:
        """Which of these sources and stages were the app's, and are not declared in it any more."""
        return {name for name in known if name.startswith(f"{self.name}.")} - {part.name for part in self.parts}

    def with_topic_renamed(self, was: str, name: str) -> AppSpec:
        """The same declaration, where a topic that it names has got another name."""

        def now(topics: Iterable[str]) -> tuple[str, ...]:
            return tuple(name if topic == was else topic for topic in topics)

        return replace(
            self,
            topics=tuple(replace(topic, name=now([topic.name])[0]) for topic in self.topics),
            sources=tuple(replace(source, to=now(source.to)) for source in self.sources),
            stages=tuple(replace(stage, topic=now([stage.topic])[0], to=now(stage.to)) for stage in self.stages),
        )
