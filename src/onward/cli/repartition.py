"""`onward repartition`: another number of partitions for a topic."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from onward import stores
from onward.cli import options, show
from onward.config import Config
from onward.names import full_name


def repartition(
    topic: Annotated[
        str,
        typer.Argument(
            metavar="TOPIC",
            help="The topic; in short where only one fits.",
            show_default=False,
            autocompletion=options.topics,
        ),
    ],
    partitions: Annotated[int, typer.Argument(metavar="N", min=1, help="How many partitions.", show_default=False)],
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Give a topic another number of partitions, once its stages have nothing left and no worker uses it."""

    async def work() -> tuple[str, int]:
        async with stores.looking(Config.read().store(store)) as books:
            topics = {facts.topic: facts.partitions for facts in (await books.survey(0.0)).topics}
            name = full_name("topic", topic, topics)
            await books.repartition(name, partitions)
            return name, topics[name]

    name, before = asyncio.run(work())
    if json:
        show.document({"topic": name, "partitions": partitions, "before": before})
    else:
        print(f"{name} has {partitions} partitions, it had {before}; now say partitions={partitions} in the program")
