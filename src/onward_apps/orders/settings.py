"""What may be set, by the environment or on the command line."""

from typing import Annotated, Any

from msgspec import Meta, Struct, defstruct

from .place import Nats, Source, Target

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
    nats: Annotated[Nats, _env("NATS")] = Nats("")
    log_level: Annotated[str, _env("LOG_LEVEL")] = "INFO"

    def __post_init__(self) -> None:
        if not 0 <= self.min_sleep <= self.max_sleep:
            raise ValueError(f"MIN_SLEEP {self.min_sleep} and MAX_SLEEP {self.max_sleep}: write 0 <= MIN <= MAX")
        if self.log_level.upper() not in LEVELS:
            raise ValueError(f"LOG_LEVEL is {self.log_level!r}; it may be {', '.join(LEVELS)}")
        if self.nats and self.notifications:
            raise ValueError(
                "NATS is set, and there is no publishing to NATS yet: leave NATS empty, and change messages are kept"
                " in the topic `changes`; or switch them off by NOTIFICATIONS=False"
            )


def given(**flags: Any) -> dict[str, str]:
    """What flags say, in the form in which settings are given."""
    return {name: str(value) for name, value in flags.items() if value is not None}


def settings_of(source: str, target: str) -> type[Settings]:
    """The settings of one loader, with its own defaults."""
    fields = [
        ("source", Annotated[Source, _env("SOURCE")], Source(source)),
        ("target", Annotated[Target, _env("TARGET")], Target(target)),
    ]
    return defstruct("Settings", fields, bases=(Settings,), frozen=True)
