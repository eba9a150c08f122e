"""A delivery -> the change message that tells others of it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from .model import Change, Delivery, Entity

_COUNTED = {"CREATE": ("CREATE", "RECREATE"), "AMEND": ("AMEND",), "REMOVE": ("REMOVE",)}


def announce(
    delivery: Delivery,
    entities: Sequence[Entity],
    *,
    source: str,
    process: str,
    host: str,
    at: datetime,
    empty: bool = False,
) -> Change | None:
    """The message of one delivery; None if it changed nothing, or was a repetition.

    `stats` lists every entity, zeros for those the delivery did not touch; a row that came back counts as
    CREATE, a pointless amend not at all.

    Args:
        source, process: become `ds` and `id`; the subject is `<source>.meta.<process>.change`.
        at: an instant with zone.
        empty: announce a delivery that changed nothing, too.
    """
    if delivery.repeated or not (delivery.changed or empty):
        return None
    stats = {entity.name: dict.fromkeys(("AMEND", "CREATE", "REMOVE"), 0) for entity in entities}
    for entity, counts in delivery.by_entity.items():
        for name, events in _COUNTED.items():
            stats[entity][name] = sum(counts[event] for event in events)
    instant = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return Change(1, source, process, host, instant, stats, delivery.max_event_id)
