"""What may be set, by the environment or on the command line."""

from typing import Annotated, Any

from msgspec import Meta, Struct, defstruct

from onward.connect.nats import NatsURL
from onward.errors import Refused
from onward.health import address

from .place import Source, Target

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _env(name: str) -> Meta:
    return Meta(extra={"env": name})


class Settings(Struct, frozen=True):
    """Where files come from and where they go, and how the loader runs.

    Raises:
        ValueError: two that do not go together, or one out of its bounds.
    """

    source: Annotated[Source, _env("SOURCE")] = Source("data")
    target: Annotated[Target, _env("TARGET")] = Target("sqlite:///orders.db")
    run_as_service: Annotated[bool, _env("RUN_AS_SERVICE")] = True
    min_sleep: Annotated[int, _env("MIN_SLEEP")] = 15
    max_sleep: Annotated[int, _env("MAX_SLEEP")] = 30
    dry_run: Annotated[bool, _env("DRY_RUN")] = False
    notifications: Annotated[bool, _env("NOTIFICATIONS")] = True
    notify_empty: Annotated[bool, _env("NOTIFY_EMPTY")] = False
    nats: Annotated[NatsURL, _env("NATS")] = NatsURL("")
    nats_stream: Annotated[str, _env("NATS_STREAM")] = "paper-engine"
    metrics: Annotated[str, _env("METRICS")] = "127.0.0.1:9000"
    log_level: Annotated[str, _env("LOG_LEVEL")] = "INFO"

    def __post_init__(self) -> None:
        if not 0 <= self.min_sleep <= self.max_sleep:
            raise ValueError(f"MIN_SLEEP {self.min_sleep} and MAX_SLEEP {self.max_sleep}: write 0 <= MIN <= MAX")
        if self.log_level.upper() not in LEVELS:
            raise ValueError(f"LOG_LEVEL is {self.log_level!r}; it may be {', '.join(LEVELS)}")
        if self.metrics:
            try:
                address(self.metrics)
            except Refused as error:
                raise ValueError(f"METRICS: {error}") from None
        if set(self.nats_stream) & set(" .*>/\\\t\r\n"):
            raise ValueError(f"NATS_STREAM is {self.nats_stream!r}; it may have no blanks, nor any of . * > / \\")


def given(**flags: Any) -> dict[str, str]:
    """What flags say, in the form in which settings are given."""
    return {name: str(value) for name, value in flags.items() if value is not None}


def settings_of(source: str, target: str, stream: str = "paper-engine") -> type[Settings]:
    """The settings of one loader, with its own defaults."""
    fields = [
        ("source", Annotated[Source, _env("SOURCE")], Source(source)),
        ("target", Annotated[Target, _env("TARGET")], Target(target)),
        ("nats_stream", Annotated[str, _env("NATS_STREAM")], stream),
    ]
    return defstruct("Settings", fields, bases=(Settings,), frozen=True)
