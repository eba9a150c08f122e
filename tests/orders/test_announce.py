from datetime import UTC, datetime

import msgspec

from onward_apps.orders.announce import announce
from onward_apps.orders.model import Entity

from .target import ITEM

OTHER = Entity("other", {"id": "integer"}, key="id")
SAID = {
    "source": "paper-engine",
    "process": "orders",
    "host": "here",
    "at": datetime(2025, 3, 1, 12, tzinfo=UTC),
}
ROW = "1,a,1.00,2025-01-01\n"


def test_a_change_lists_every_entity(target):
    target.deliver(ROW)
    delivery = target.deliver(f"D,{ROW}I,{ROW}U,{ROW}I,2,b,,\nU,2,c,,\n", name="cdc")
    assert msgspec.to_builtins(announce(delivery, [ITEM, OTHER], **SAID)) == {
        "v": 1,
        "ds": "paper-engine",
        "id": "orders",
        "host": "here",
        "utcts": "2025-03-01T12:00:00.000000",
        "stats": {
            "item": {"AMEND": 1, "CREATE": 2, "REMOVE": 1},
            "other": {"AMEND": 0, "CREATE": 0, "REMOVE": 0},
        },
        "max_event_id": 6,
    }


def test_nothing_changed_nothing_said(target):
    target.deliver(ROW)
    pointless = target.deliver(f"U,{ROW}", name="cdc")
    assert announce(pointless, [ITEM], **SAID) is None
    assert announce(pointless, [ITEM], empty=True, **SAID).max_event_id == 2
