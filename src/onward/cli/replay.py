"""`onward replay`: giving a stage records once more, as a numbered job that a worker carries out."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from onward import load, replay, units
from onward.cli import dryrun as dry
from onward.cli import opened, options, show
from onward.cli.progress import log_lines
from onward.cli.show import Column
from onward.config import Config, assigned
from onward.errors import NotThere, Refused
from onward.log import Books, Replay, Survey
from onward.names import full_name
from onward.plan import Plan
from onward.units import counted
from onward.url import shown

SCREEN = 20


class Jobs(TyperGroup):
    """`replay STAGE` is `replay start STAGE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["start", *args]
        return super().parse_args(ctx, args)


program = typer.Typer(
    cls=Jobs,
    help="Give a stage records once more: `replay STAGE --from start`; list or cancel such jobs.",
    no_args_is_help=True,
)


@program.command("start", help="Ask for a replay; `start` may be left out.")
def start(
    stage: Annotated[
        str,
        typer.Argument(metavar="STAGE", help="The stage; in short where only one fits.", autocompletion=options.stages),
    ],
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="start|OFFSET|TIME",
            help="From where on: the first kept record, an offset of each partition, or a time.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="OFFSET|TIME",
            help="Up to before this offset or time; at the latest where the stage stands.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="K", help="Only of this key.", show_default=False)] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/s", help="At most so many records; also N/m or N/h.", show_default=False)
    ] = None,
    same_id: Annotated[
        bool, typer.Option("--same-id", help="Under the Record.id that they had; else with the replay's number in it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do; ask for nothing.")] = False,
    app: Annotated[
        str | None,
        typer.Option("--app", metavar="APP", help="With --dry-run: where the app's code is.", show_default=False),
    ] = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    config = Config.read()
    url = config.store(store)
    first, last = _bound("--from", from_), None if to is None else _bound("--to", to)
    try:
        pace = None if rate is None else units.rate(rate)
    except ValueError as error:
        raise Refused(f"--rate: {error}") from None
    job = asyncio.run(_job(url, stage, first, last, key, pace, same_id=same_id, by=config.user(), ask=not dry_run))
    if dry_run:
        _dry(url, config, job, app, json=json)
    gone = sum(one.gone for one in job.ranges)
    if gone:
        show.note(f"{counted(gone, 'record is', 'records are')} gone by retention and cannot be replayed")
    count = sum(one.end - one.first for one in job.ranges)
    if not count:
        show.note(f"{job.stage} has been given no record that lies there; nothing was asked for")
    if json:
        ranges = [(one.partition, one.first, one.end) for one in job.ranges]
        show.document({"number": job.number or None, "stage": job.stage, "ranges": ranges, "gone": gone})
    elif count:
        show.facts(
            f"replay {job.number} of {job.stage}: {counted(count, 'record')}; a worker that runs it carries it out"
        )


@program.command("list")
def list_(
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many failed records of each.")] = SCREEN,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show all replays, what has come of them, and which records failed."""
    asyncio.run(_list(Config.read().store(store), limit, json=json))


@program.command("cancel")
def cancel(
    number: Annotated[int, typer.Argument(metavar="N", help="The number of the replay.")], store: options.Store = None
) -> None:
    """End a replay; what it has done stays done."""

    async def work() -> bool:
        async with opened.looking(Config.read().store(store)) as books:
            return await books.cancel(number)

    if not asyncio.run(work()):
        raise NotThere(f"there is no replay {number} that is not over; `onward replay list` shows all")
    show.facts(f"replay {number} ends when what is in hand is done")


def _bound(option: str, text: str) -> replay.Bound:
    try:
        return replay.bound(text)
    except ValueError as error:
        first = "`start`, an offset" if option == "--from" else "an offset"
        raise Refused(f"{option} is {first} or a time: {error}") from None


async def _job(
    url: str,
    name: str,
    first: replay.Bound,
    last: replay.Bound | None,
    key: str | None,
    pace: float | None,
    *,
    same_id: bool,
    by: str,
    ask: bool,
) -> Replay:
    async with opened.looking(url) as books:
        standing = await books.standing()
        stage = full_name("stage", name, sorted({name for name, _ in standing.stages}))
        ranges = await replay.ranges(books, standing, stage, first, last)
        job = Replay(stage=stage, ranges=ranges, key=key, rate=pace, same_id=same_id, by=by, at=time.time())
        if not any(one.end > one.first for one in ranges):
            return job
        return job if not ask else msgspec.structs.replace(job, number=await books.replay(job))


def _dry(url: str, config: Config, job: Replay, app: str | None, *, json: bool) -> None:
    [found] = load.apps([app or job.stage.partition(".")[0]])
    settings = {found.name: config.settings(found, assigned((), [found])[found.name])}
    log_lines(config.log_level())
    dry.show_run([found], url, Plan(), settings, json=json, replay=job)


async def _list(url: str, limit: int, *, json: bool) -> None:
    async with opened.looking(url) as books:
        survey = await books.survey()
        live = _live(survey)
        jobs = [(facts, replay.told(facts, live)) for facts in survey.replays]
        most = None if json else limit
        failed = {facts.replay.number: await _failed(books, facts, most) for facts, _ in jobs}
    if json:
        told = [{**msgspec.structs.asdict(one), "failures": failed[one.number]} for _, one in jobs]
        show.document({"store": shown(url), "replays": told})
        return
    counts = ("offsets", "passed", "done", "failed", "retrying", "behind", "gone", "emitted")
    columns = [Column("replay", number=True), Column("stage"), *(Column(count, number=True) for count in counts)]
    columns += [Column("by"), Column("at"), Column("state")]
    rows = [
        [str(one.number), one.stage, *(str(getattr(one, count)) for count in counts), one.by, one.at[:19], one.state]
        for _, one in jobs
    ]
    show.facts(show.table("", columns, rows))
    lost = [[str(number), *_line(one)] for number, ones in failed.items() for one in ones]
    if lost:
        titles = ("position", "key", "attempts", "error or reason")
        columns = [Column("replay", number=True), *(Column(title) for title in titles)]
        show.facts(show.table("What failed:", columns, lost))
    for one in (job for _, job in jobs):
        if more := one.failed - len(failed[one.number]):
            show.note(f"replay {one.number}: {more} more failed; --limit N shows more of each, --json all")


def _live(survey: Survey) -> list[str]:
    return [held.stage for held in survey.leases if held.live]


async def _failed(books: Books, facts: Any, most: int | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for one in replay.failures(books, facts):
        found.append(one)
        if len(found) == most:
            break
    return found


def _line(one: dict[str, Any]) -> list[str]:
    key = "-" if one["key"] is None else one["key"]
    return [one["position"], key, str(len(one["attempted"])), one["reason"] or one["error"]]
