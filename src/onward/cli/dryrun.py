"""`onward run --dry-run`: what a run would do, its effects as they come and its counts at the end."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from onward import codec, dryrun
from onward.app import App
from onward.cli import show
from onward.cli.show import Column
from onward.codec import Codec
from onward.commit import STATES
from onward.events import Event, Withheld
from onward.exit import leave
from onward.log import Replay
from onward.observers.logging import LoggingObserver
from onward.plan import Plan
from onward.settings import masked
from onward.would import DryRun, StageWould

FIRST = 20
"""So many effects are shown to a person; the rest is counted."""

ANY = Codec(Any)


class Effects:
    """An observer that shows effects as they come: as lines, or kept aside for the document that JSON is."""

    def __init__(self, *, json: bool) -> None:
        self._out = sys.stdout
        self._json = json
        self._some = show.out.is_terminal and not json
        self._turn = threading.Lock()
        self._aside = tempfile.TemporaryFile("w+") if json else None  # noqa: SIM115 - as long as the process lives
        self.count = 0

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Withheld):
            return
        value = codec.encode(ANY.stored(event.value))
        with self._turn:  # handlers are called in several threads
            self.count += 1
            if self._aside is not None:
                told = {"stage": event.stage, "position": event.position, "key": event.key}
                line = codec.encode({**told, "value": msgspec.Raw(value), "id": event.id}).decode()
                self._aside.write(f"{', ' if self.count > 1 else ''}{masked(line)}")
            elif not self._some or self.count <= FIRST:
                key = "-" if event.key is None else event.key
                line = f"withheld {event.stage}  {event.position}  {key}  {value.decode()}  {event.id}"
                self._out.write(masked(line) + "\n")
                self._out.flush()

    def document(self, told: DryRun) -> None:
        """All of it as one document; the effects may be more than fit into memory."""
        assert self._aside is not None
        head = msgspec.json.encode(told).decode()
        self._out.write(f'{masked(head[:-1])},"effects":[')
        self._aside.seek(0)
        shutil.copyfileobj(self._aside, self._out)
        self._out.write("]}\n")


def show_run(
    apps: Sequence[App],
    store: str,
    plan: Plan,
    settings: Mapping[str, Any],
    *,
    json: bool,
    replay: Replay | None = None,
) -> NoReturn:
    """Runs dry, or only a replay and what comes of it, shows what would be done, and ends the process."""
    effects = Effects(json=json)
    told = dryrun.run(apps, store, plan, settings, observers=[LoggingObserver(), effects], replay=replay)
    if json:
        effects.document(told)
    else:
        if effects.count > FIRST and show.out.is_terminal:
            show.note(f"{effects.count - FIRST} more effects were withheld; --json shows all")
        _counts(told)
    show.note("nothing was changed")
    leave(int(told.failed))


def _counts(told: DryRun) -> None:
    if told.sources:
        columns = [Column("source"), Column("records", number=True), Column("into"), Column("cursor"), Column("error")]
        rows = [
            [one.name, str(sum(one.emitted.values())), _into(one.emitted), _cursor(one.before, one.cursor), one.error]
            for one in told.sources
        ]
        show.facts(show.table("Sources would bring:", columns, rows))
    counts = ("records", "done", "withheld", "dropped", "outstanding", *STATES)
    columns = [Column("stage"), *(Column(count, number=True) for count in counts), Column("emitted")]
    rows = [[one.name, *(str(getattr(one, count)) for count in counts), _into(one.emitted)] for one in told.stages]
    show.facts(show.table("Stages would do:", columns, rows))
    if reasons := [row for one in told.stages for row in _reasons(one)]:
        columns = [Column("stage"), Column("would be"), Column("records", number=True), Column("first"), Column("key")]
        show.facts(show.table("Why not all:", [*columns, Column("reason")], reasons))
    for name in told.tripped:
        show.note(f"{name} would be tripped")
    for trouble in told.troubles:
        show.note(trouble)


def _reasons(stage: StageWould) -> list[list[str]]:
    return [
        [stage.name, one.state, str(one.count), one.first, "-" if one.key is None else one.key, masked(one.reason)]
        for one in stage.reasons[:FIRST]
    ]


def _into(emitted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} into {topic}" for topic, count in emitted.items()) or "-"


def _cursor(before: msgspec.Raw | None, now: msgspec.Raw | None) -> str:
    was, is_ = ("-" if cursor is None else _short(bytes(cursor).decode()) for cursor in (before, now))
    return was if was == is_ else f"{was} to {is_}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
