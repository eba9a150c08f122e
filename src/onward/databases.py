"""The table of databases that stages commit in (`within=`): which URL is opened as what. And those of one worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple

from onward.errors import MissingExtra, Refused
from onward.target import Still, Target
from onward.url import named


class Kind(NamedTuple):
    """Where the parts of a scheme are, as `module:name`; imported at need. `extra` is what installs its driver."""

    target: str
    still: str
    examine: str
    extra: str = ""


_POSTGRES = Kind(
    "onward.targets.postgres:PostgresTarget",
    "onward.targets.postgres_still:PostgresStill",
    "onward.targets.postgres:examine",
    extra="postgres",
)
SCHEMES = {
    "sqlite": Kind(
        "onward.targets.sqlite:SQLiteTarget", "onward.targets.sqlite:SQLiteStill", "onward.targets.sqlite:examine"
    ),
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
}


def open_target(url: str, store: str = "") -> Target:
    """Opens a database to commit in; makes what is needed there. Blocks.

    Args:
        store: the URL of the worker's own store, empty where it has none.

    Raises:
        Refused: the URL is of no kind that there is, or what it names cannot be committed in.
        DatabaseAway: it cannot be reached now.
    """
    target: Target = _part(url, "target")(url, store)
    return target


def still_of(url: str) -> Still:
    """A database as it is at one moment, for a dry run. Nothing is opened yet."""
    still: Still = _part(url, "still")(url)
    return still


def examine(url: str) -> tuple[Literal["ok", "warning", "failed"], str]:
    """Whether stages could commit in it now: what is to be thought of it, and what was seen. Nothing is written."""
    found: tuple[Literal["ok", "warning", "failed"], str] = _part(url, "examine")(url)
    return found


class Databases:
    """Those of one worker: each is opened once, when it is first needed."""

    def __init__(self, target: Callable[[str, str], Target], store: str) -> None:
        self._open = target
        self._store = store
        self._targets: dict[str, Target] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    async def get(self, stage: str, url: str) -> Target:
        """The target of a stage; all that name one URL share it.

        Raises:
            Refused, DatabaseAway: as `open_target`.
        """
        async with self._opening.setdefault(url, asyncio.Lock()):
            if url not in self._targets:
                try:
                    self._targets[url] = await asyncio.to_thread(self._open, url, self._store)
                except MissingExtra:
                    raise
                except Refused as error:
                    raise Refused(f"stage {stage}: {error}") from error
            return self._targets[url]

    def close(self) -> None:
        for target in self._targets.values():
            target.close()


def _part(url: str, name: str) -> Callable[..., Any]:
    scheme = url.partition(":")[0] if "://" in url else "postgresql" if "=" in url else url
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}:" for one in ("sqlite", "postgresql"))
        raise Refused(f"within= takes URLs that begin with {known}; not {named(url)}")
    kind = SCHEMES[scheme]
    module, _, found = getattr(kind, name).partition(":")
    try:
        return getattr(import_module(module), found)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        if not kind.extra or (error.name or "").startswith("onward"):
            raise
        raise MissingExtra(kind.extra, f"within= {scheme}:") from error
