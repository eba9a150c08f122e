import logging
from datetime import UTC, datetime

from onward.events import Failed, Tripped, Waiting
from onward_apps.orders.metrics import SEVERAL, LoaderMetrics, tell
from onward_apps.orders.model import Delivery, Notified

from .target import ITEM

DELIVERY = Delivery(
    7, "item", "k", {"item": {"CREATE": 2, "AMEND": 0}}, 3, 0, {"removal of an absent row": 1}, {}, 9, 0.5,
    phases={"fetch": 0.1, "parse": 0.1, "diff": 0.2, "persist": 0.1}, modified=datetime.now(UTC),
)  # fmt: skip


def value(metrics: LoaderMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"process": "shop", **labels})


def made() -> LoaderMetrics:
    return LoaderMetrics("shop", [ITEM], lambda: [])


def test_a_delivery_is_counted_by_entity_and_event():
    metrics = made()
    assert value(metrics, "loader_events_total", entity="item", event_type="REMOVE") == 0
    metrics.see(DELIVERY)
    metrics.see(Notified(7, datetime.now(UTC), seconds=0.5))
    assert value(metrics, "loader_events_total", entity="item", event_type="CREATE") == 2
    assert value(metrics, "loader_rows_ignored_total", entity="item", reason="removal of an absent row") == 1
    assert value(metrics, "loader_delivery_seconds_sum", phase="diff") == 0.2
    assert value(metrics, "loader_delivery_seconds_sum", phase="publish") == 0.5
    assert value(metrics, "loader_last_delivery_id") == 7


def test_what_is_about_several_tables_has_one_label_and_a_repetition_counts_as_such_only():
    metrics = made()
    several = Delivery(8, "item,other", "t", {"item": {"AMEND": 1}, "other": {"REMOVE": 1}}, 4, 0, {}, {}, 9, 0.5)
    metrics.see(several)
    metrics.see(Delivery(7, "item", "k", {"item": {"CREATE": 2}}, 3, 0, {}, {}, 9, 0.5, repeated=True))
    assert value(metrics, "loader_rows_read_total", entity=SEVERAL) == 4
    assert value(metrics, "loader_events_total", entity="other", event_type="REMOVE") == 1
    assert value(metrics, "loader_events_total", entity="item", event_type="CREATE") == 0
    outcomes = [value(metrics, "loader_deliveries_total", outcome=name) for name in ("delivered", "repeated")]
    assert outcomes == [1, 1]


def test_troubles_of_files_and_messages_are_counted_and_those_of_others_not():
    metrics = made()
    for stage in ("shop.deliver", "shop.mark"):
        metrics(Failed(stage, "shop.files:0:1", "k", 1, "retrying", "away", OSError("away")))
        metrics(Failed(stage, "shop.files:0:1", "k", 0, "retrying", "later", None))
        metrics(Failed(stage, "shop.files:0:1", "k", 1, "dead", "bad", ValueError("bad")))
        metrics(Waiting(stage, "shop.files:0:2", "k", "much"))
    metrics(Tripped("shop.notify", "away", 1.0))
    metrics.would()
    found = {name: value(metrics, "loader_deliveries_total", outcome=name) for name in ("failed", "stopped", "waiting")}
    assert found == {"failed": 1, "stopped": 1, "waiting": 1}
    assert value(metrics, "loader_notifications_total", outcome="failed") == 1
    assert value(metrics, "loader_deliveries_total", outcome="dry_run") == 1


def test_a_metric_that_fails_harms_nobody(caplog):
    seen = []

    def fails(what):
        raise ValueError("odd")

    assert tell([fails, seen.append], DELIVERY, logging.getLogger("onward.shop"))
    assert seen == [DELIVERY] and "a metric could not be counted" in caplog.text
    assert not tell([], DELIVERY, logging.getLogger("onward.shop"))
