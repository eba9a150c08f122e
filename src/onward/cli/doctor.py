"""`onward doctor`: whether all that is needed is there, and what to do where it is not."""

from __future__ import annotations

import asyncio

from onward import doctor as doctors
from onward import load
from onward.app import App
from onward.cli import options, show
from onward.cli.show import Column
from onward.config import Config
from onward.doctor import Finding
from onward.errors import Refused
from onward.exit import leave
from onward.prints import to_stderr
from onward.url import shown

_COLUMNS = [Column("check"), Column("state"), Column("what")]


def doctor(apps: options.Apps = None, json: options.Json = False, store: options.Store = None) -> None:
    """Check versions, store, settings, resources and databases; without APP those of all installed apps."""
    config = Config.read()
    found: list[App] = []
    broken: list[Finding] = []
    for name in apps or load.installed():
        try:
            found += load.apps([name])
        except Refused as error:
            broken.append(Finding(f"app {name}", "failed", str(error).splitlines()[-1].strip()))
    url = config.store(store)
    with to_stderr():  # what resources print was not asked for
        findings = [*asyncio.run(_all(config, url, found)), *broken]
    worst = doctors.worst(findings)
    if json:
        show.document({"store": shown(url), "state": worst, "findings": findings})
    else:
        rows = [[finding.name, finding.state, finding.told] for finding in findings]
        show.facts(show.table("", _COLUMNS, rows))
    leave(int(worst == "failed"))


async def _all(config: Config, url: str, apps: list[App]) -> list[Finding]:
    return [finding async for finding in doctors.examine(config, url, apps)]
