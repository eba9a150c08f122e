"""`onward audit`: is every record accounted for?"""

from __future__ import annotations

import asyncio

from onward.audit import Breach, breaches, recounted
from onward.claim import stage_of
from onward.cli import opened, options, show
from onward.cli.status import chosen
from onward.config import Config
from onward.exit import leave
from onward.units import counted
from onward.url import shown


def audit(apps: options.Apps = None, json: options.Json = False, store: options.Store = None) -> None:
    """Recount from the rows, in one snapshot, that every record is accounted for; exit 1 if not."""
    url = Config.read().store(store)
    stages, topics, found = asyncio.run(_audit(url, apps or []))
    if json:
        told = {"ok": not found, "stages": stages, "topics": topics, "breaches": found}
        show.document({"store": shown(url), **told})
    else:
        for breach in found:
            print(breach)
        came = counted(len(found), "breach", "breaches") if found else "every record is accounted for"
        print(f"{counted(stages, 'stage')} and {counted(topics, 'topic')} counted: {came}")
    leave(1 if found else 0)


async def _audit(url: str, names: list[str]) -> tuple[int, int, list[Breach]]:
    async with opened.looking(url) as books:
        survey, evidence, blocks = await books.evidence()
        apps = {app.name for app in chosen(survey, names)} if names else None

        def asked(name: str) -> bool:
            return apps is None or name.partition(".")[0] in apps

        found = await asyncio.to_thread(breaches, survey, evidence, blocks)
        found += await recounted(books, [row for row in blocks if asked(row.topic)])
    stages = {stage_of(one.facts.stage) for one in evidence if asked(one.facts.stage)}
    topics = {one.topic for one in survey.topics if asked(one.topic)}
    return len(stages), len(topics), [breach for breach in found if asked(breach.name)]
