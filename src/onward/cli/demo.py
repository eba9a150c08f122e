"""`onward demo`: apps with sample traffic and stand-ins, on a store of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from onward import load
from onward import run as running
from onward.app import App
from onward.cli import options, show
from onward.cli.progress import Progress, log_lines
from onward.cli.run import ran
from onward.cli.status import drawn
from onward.config import Config
from onward.declaration import spec_of
from onward.errors import OnwardError, Refused
from onward.exit import leave
from onward.log import Survey
from onward.observers.logging import LoggingObserver
from onward.plan import Plan
from onward.run import Ended
from onward.status import Status, status

FOLDER = "onward-demo"
_BESIDE = ("-wal", "-shm", "-queue", "-turn")
"""What SQLite and its writers keep beside a database."""


def demo(
    apps: options.Apps = None,
    once: Annotated[bool, typer.Option("--once", help="Until all is delivered, then exit.")] = False,
    json: options.Json = False,
    store: options.Store = None,
    failed: options.Failed = False,
) -> None:
    """Run apps with sample traffic on an embedded store; twice does no harm."""
    config = Config.read()
    found = _with_demos(apps or [])
    log_lines(config.log_level())
    folder = Path(FOLDER).absolute()
    settings = prepared(found, folder, config, named=bool(apps))
    found = [app for app in found if app.name in settings]
    url = config.demo_store(store)
    ended = _ran(found, url, Plan(once=once), settings)
    failed = failed or (once and ended.report.failed)
    if ended.report.replace and not ended.stopped:
        running.again(*["--failed"] * failed)
    if ended.survey is not None:
        _tell(status(url, ended.survey, [spec_of(app) for app in found]), folder, found, json=json)
    leave(int(failed))


def _with_demos(names: Sequence[str]) -> list[App]:
    """The apps that were named, else all installed ones that have a demo."""
    found = load.apps(names or load.installed())
    without = [app.name for app in found if app.demo_function is None]
    if names and without:
        raise Refused(f"app {without[0]} has no demo; it would be a function under @app.demo")
    found = [app for app in found if app.demo_function is not None]
    if not found:
        raise Refused("no installed app has a demo; name one by path/to/file.py")
    return found


def prepared(apps: Sequence[App], folder: Path, config: Config, *, named: bool) -> dict[str, Any]:
    """The settings of each app's demo, after its samples are made. An app that nobody named and whose demo cannot be
    (an extra is not installed) is left out, with a note."""
    settings: dict[str, Any] = {}
    for app in apps:
        own = folder / app.name
        try:
            own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"{own} cannot be made: {error.strerror}; the demo needs a folder to write to") from error
        assert app.demo_function is not None
        try:
            settings[app.name] = config.settings(app, app.demo_function(own))
        except OnwardError as error:
            if named:
                raise
            show.note(f"{app.name} is left out: {error}")
    return settings


def _ran(apps: Sequence[App], url: str, plan: Plan, settings: dict[str, Any]) -> Ended:
    if not show.err.is_terminal or plan.once:
        return ran(apps, url, plan, settings, Progress(apps, url) if show.err.is_terminal else None)
    from rich.live import Live
    from rich.text import Text

    specs = [spec_of(app) for app in apps]
    with Live(console=show.err.console, auto_refresh=False) as live:

        def draw(survey: Survey) -> None:
            tables = drawn(status(url, survey, specs))
            live.update(Text(tables) if isinstance(tables, str) else tables, refresh=True)

        show.note("Ctrl-C ends it")
        return running.run(apps, url, plan, settings, observers=[LoggingObserver()], watch=draw)


def _tell(made: Status, folder: Path, apps: Sequence[App], *, json: bool) -> None:
    """The status, and where to look."""
    found = (file for app in apps for file in (folder / app.name).iterdir())
    files = sorted(str(file) for file in found if not file.name.endswith(_BESIDE))
    if json:
        show.document({"store": made.store, "apps": made.apps, "files": files})
        return
    show.facts(drawn(made))
    topic = next((topic.name for app in made.apps for topic in app.topics), "TOPIC")
    lines = [
        "",
        f"The store is {made.store}; its apps' files:",
        *(f"  {file}" for file in files),
        "Look closer:",
        *(
            f"  onward {command} --store {made.store}"
            for command in ("status", f"read {topic}", f"graph {apps[0].name}", "parked list", "audit")
        ),
    ]
    print("\n".join(lines))
