"""From a survey to what `status` tells."""

from __future__ import annotations

from onward.log import AppSpec, PartitionFacts, SourceSpec, SourceState, StageSpec, Survey, TopicSpec, Totals
from onward.status import EMPTY, StageStatus, status
from onward.survey import Held, TopicFacts

SHOP = AppSpec(
    "shop",
    (TopicSpec("shop.orders", 2, 1.0), TopicSpec("shop.bills", 1, 1.0)),
    (SourceSpec("shop.poll", ("shop.orders",)),),
    (StageSpec("shop.bill", "shop.orders", ("shop.bills",)),),
)


def _facts(
    partition: int = 0, *, holder: Held | None = None, stage: str = "shop.bill", end: int = 10
) -> PartitionFacts:
    return PartitionFacts(
        stage=stage, topic="shop.orders", partition=partition, begins=2, end=end, next=6, ahead=1,
        totals=Totals(4, 1, {"shop.bills": 3}), parked={"dead": 1}, recent=30, holder=holder,
    )  # fmt: skip


def _held(state: str, live: bool = True, stage: str = "shop.bill") -> Held:
    return Held(stage, 0, "host/1/1/a", state, live)


def _bill(*facts: PartitionFacts) -> StageStatus:
    return status("", Survey([SHOP], facts, (), {}, ()), [SHOP]).apps[0].stages[0]


def test_counts_are_summed_over_partitions() -> None:
    bill = _bill(_facts(0), _facts(1))
    assert (bill.records, bill.done, bill.dead, bill.outstanding, bill.left) == (16, 8, 2, 6, 8)
    assert (bill.emitted, bill.dropped, bill.per_second) == (6, 2, 1.0)
    parked = bill.retrying + bill.dead + bill.waiting + bill.running + bill.behind
    assert bill.records == bill.done + bill.outstanding + parked


def test_the_worst_state_of_a_living_worker() -> None:
    assert _bill(_facts()).state == "not running"
    assert _bill(_facts(holder=_held("running", live=False))).state == "not running"
    assert _bill(_facts(holder=_held("tripped: away", live=False))).state == "not running"
    assert _bill(_facts(holder=_held("running"))).state == "running"
    assert _bill(_facts(holder=_held("running"), end=7)).state == "idle"
    assert _bill(_facts(holder=_held("running")), _facts(1, holder=_held("tripped: away"))).state == "tripped: away"
    assert _bill(_facts(holder=_held("stopped: no such file", live=False))).state == "stopped: no such file"
    assert _bill(_facts(holder=_held("stopped", live=False))).state == "not running"


def test_sources() -> None:
    def poll(state: str, *held: Held) -> str:
        source = SourceState(b'{"a":1}', {"shop.orders": 7}, 0.0, None, state)
        [made] = status("", Survey([SHOP], (), (), {"shop.poll": source}, held), [SHOP]).apps[0].sources
        assert (made.cursor, made.emitted, made.last_run, made.next_run) == (
            {"a": 1}, 7, "1970-01-01T00:00:00.000000Z", None,
        )  # fmt: skip
        return made.state

    assert poll("idle") == poll("running", _held("running", False, "shop.poll")) == "not running"
    assert poll("idle", _held("idle", True, "shop.poll")) == "idle"
    assert poll("failed: away") == "failed: away"


def test_what_is_gone_from_the_declaration_comes_last() -> None:
    survey = Survey(
        [SHOP],
        [_facts(), _facts(stage="shop.old")],
        [TopicFacts("shop.old_topic", 1, 5, 50, 0, 5), TopicFacts("shop.orders", 2, 9, 90, 0, 9)],
        {"shop.former": SourceState()},
        (),
    )
    [shop] = status("", survey, [SHOP]).apps
    assert [(one.name, one.state) for one in shop.sources] == [("shop.poll", "not running"), ("shop.former", "gone")]
    gone = shop.stages[1]
    assert (gone.name, gone.state, gone.records, gone.done, gone.dead, gone.outstanding) == (
        "shop.old", "gone", 5, 4, 1, 0,
    )  # fmt: skip
    assert [(one.name, one.records) for one in shop.topics] == [
        ("shop.orders", 9), ("shop.bills", 0), ("shop.old_topic", 5),
    ]  # fmt: skip


def test_zeros_for_an_app_that_the_store_does_not_know() -> None:
    [shop] = status("", EMPTY, [SHOP]).apps
    assert shop.stages == [StageStatus("shop.bill", "shop.orders")]
    assert shop.topics[0].partitions == 2 and shop.sources[0].cursor is None
