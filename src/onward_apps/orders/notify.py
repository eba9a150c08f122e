"""A change message -> NATS; what is acknowledged is marked in `loader_deliveries`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from onward import Record
from onward.connect.nats import ID, JetStream, Stream

from .model import Change, Notified
from .tables import Tables

DUPLICATES = "24h"
"""For so long a stream that we make knows what it has: a loader that was killed may start again hours later."""


def subject_of(source: str, process: str) -> str:
    """As in `paper-engine.meta.orders.change`; `*` for the process of any."""
    return f"{source}.meta.{process}.change"


def message_id(process: str, delivery_id: int) -> str:
    """By which NATS, and who reads it, tells a message that comes twice."""
    return f"{process}:{delivery_id}"


def stream_of(name: str, source: str) -> Stream | None:
    """The stream to be made where none takes the messages: of all processes of the data source. None: none."""
    return Stream(name, [subject_of(source, "*")], duplicates=DUPLICATES) if name else None


async def publish(change: Record[Change], nats: JetStream, subject: str) -> Notified:
    """Publishes, and waits until a stream keeps it.

    Raises:
        Unavailable: it may not be there; it is to be published again, under the same id.
    """
    id_, started = change.headers[ID], time.perf_counter()
    ack = await nats.publish(subject, msgspec.json.encode(change.value), id=id_)
    delivery_id, took = int(id_.rpartition(":")[2]), time.perf_counter() - started
    return Notified(delivery_id, datetime.now(UTC), repeated=ack.repeated, seconds=took)


def mark(told: Sequence[Notified], tables: Tables, process: str) -> None:
    """Writes when they were acknowledged, in the transaction that is open; the first time stands."""
    for each in told:
        at = each.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        tables.ask("delivery_notified", process=process, delivery_id=each.delivery_id, notified_at=at)
