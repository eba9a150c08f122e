"""The audit's arithmetic, on rows made by hand."""

from __future__ import annotations

from typing import Any

from onward.audit import breaches
from onward.log import AppSpec, BlockRow, PartitionFacts, SourceState, Span, State, Survey, TopicSpec, Totals
from onward.survey import Evidence, Retained, TopicFacts

Parked = tuple[int, str | None, State]


def _evidence(
    finished: list[Span], parked: list[Parked] = (), *, begins: int = 0, end: int = 10, next: int = 0, **more: Any
) -> Evidence:  # type: ignore[assignment]
    counts: dict[State, int] = {}
    for _, _, state in parked:
        counts[state] = counts.get(state, 0) + 1
    done = more.pop("done", sum(b - a for a, b in finished))
    facts = PartitionFacts(
        stage="shop.bill", topic=more.pop("topic", "shop.orders"), partition=0, begins=begins, end=end, next=next,
        ahead=0, totals=Totals(done, 0, more.pop("emitted", {})), parked=counts, recent=0, holder=None,
    )  # fmt: skip
    return Evidence(facts, sorted(finished), parked)


def _told(*evidence: Evidence) -> list[str]:
    survey = Survey((), [one.facts for one in evidence], (), {}, ())
    return [str(breach) for breach in breaches(survey, evidence, [BlockRow("shop.orders", 0, 0, 10)])]


def test_finished_parked_and_outstanding_are_all_there_is() -> None:
    assert _told(_evidence([])) == []
    assert _told(_evidence([(0, 10)], next=10)) == []
    assert _told(_evidence([(0, 3), (4, 6), (8, 9)], [(3, "a", "dead"), (7, "a", "behind")], next=6)) == []
    assert _told(_evidence([(4, 6)], begins=4, next=6)) == []


def test_a_hole_below_next_names_its_offsets_and_both_sums() -> None:
    [told] = _told(_evidence([(0, 2), (3, 5), (7, 8)], next=8))
    assert told.endswith("neither finished nor parked: offsets 2, 5-6: 10 claimed, 7 counted")
    assert told.startswith("shop.bill partition 0: records = done + parked + outstanding")


def test_finished_twice() -> None:
    [told] = _told(_evidence([(0, 5), (3, 6)], next=6))
    assert "finished twice: offsets 3-4: 6 claimed, 8 counted" in told


def test_finished_and_parked_as_well() -> None:
    [told] = _told(_evidence([(0, 5)], [(3, "a", "dead")], next=5))
    assert "finished and parked as well: offset 3: 0 claimed, 1 counted" in told


def test_outside_of_what_it_was_given() -> None:
    assert "outside of 2 to 10: offsets 0-1" in _told(_evidence([(0, 3)], begins=2, next=3))[0]
    assert any("outside of 0 to 10: offset 11" in told for told in _told(_evidence([], [(11, None, "dead")])))
    assert any("it has passed more than its topic holds" in told for told in _told(_evidence([(0, 12)], next=12)))


def test_totals_that_differ_from_the_rows() -> None:
    assert _told(_evidence([(0, 4)], next=4, done=5)) == ["shop.bill partition 0: done: 5 claimed, 4 counted"]


def test_a_key_that_has_only_behind() -> None:
    [told] = _told(_evidence([(0, 1)], [(1, "a", "behind"), (2, "a", "behind"), (3, "b", "dead")], next=4))
    assert "key 'a' has only records behind, and no first: 0 claimed, 2 counted" in told


def test_outstanding_records_that_are_kept_no_more() -> None:
    one = _evidence([(0, 2)], next=2)
    survey = Survey((), [one.facts], (), {}, (), retained={("shop.orders", 0): Retained(2, 2)})
    assert breaches(survey, [one], [BlockRow("shop.orders", 0, 2, 8)]) == []
    survey = survey._replace(retained={("shop.orders", 0): Retained(5, 5)})
    [told] = breaches(survey, [one], [BlockRow("shop.orders", 0, 5, 5)])
    assert told.what == "outstanding, but kept no more: offsets 2-4"


def test_a_stage_that_is_gone_is_held_to_what_it_had() -> None:
    assert _told(_evidence([(0, 4), (6, 8)], [(9, "a", "dead")], topic="", end=4, next=4)) == []


def _topic(
    blocks: list[BlockRow],
    *,
    put: int = 0,
    brought: int = 0,
    emitted: int = 0,
    was: str | None = None,
    retained: tuple[int, int] = (0, 0),
) -> list[str]:
    name = was or "shop.bills"
    stage = _evidence([], topic="shop.orders", end=0, emitted={name: emitted} if emitted else {})
    spec = AppSpec("shop", (TopicSpec("shop.bills", 1, 1.0, was),), (), ())
    facts = TopicFacts("shop.bills", 1, 0, 0, put, 0)
    sources = {"shop.poll": SourceState(emitted={name: brought})} if brought else {}
    survey = Survey([spec], [stage.facts], [facts], sources, (), retained={("shop.bills", 0): Retained(*retained)})
    return [str(breach) for breach in breaches(survey, [stage], blocks)]


def test_a_topic_holds_what_came() -> None:
    blocks = [BlockRow("shop.bills", 0, 0, 4), BlockRow("shop.bills", 0, 4, 2), BlockRow("shop.bills", 1, 0, 3)]
    assert _topic(blocks, put=1, brought=2, emitted=6) == []
    assert _topic(blocks[1:], put=1, brought=2, emitted=6, retained=(4, 4)) == []
    assert _topic(blocks[1:], put=1, brought=2, emitted=6) == [
        "shop.bills partition 0: records before the first that is kept, retention has deleted others: "
        "0 claimed, 4 counted"
    ]
    assert _topic(blocks, put=1, brought=2, emitted=7) == [
        "shop.bills: records = 1 put, 2 brought by sources, 7 emitted: 10 claimed, 9 counted"
    ]


def test_a_renamed_topic_keeps_what_came_under_its_old_name() -> None:
    assert _topic([BlockRow("shop.bills", 0, 0, 8)], brought=2, emitted=6, was="shop.invoices") == []


def test_only_the_newest_block_and_what_lies_before_the_first_may_have_no_entries() -> None:
    bare = [BlockRow("shop.bills", 0, 4, 2, full=False)]
    assert _topic(bare, put=6, retained=(6, 6)) == []
    assert _topic([*bare, BlockRow("shop.bills", 0, 6, 3)], put=9, retained=(6, 6)) == []
    [told] = _topic([BlockRow("shop.bills", 0, 0, 4), *bare, BlockRow("shop.bills", 0, 6, 3)], put=9)
    assert told == "shop.bills partition 0: blocks have lost their entries: offsets 4-5: 0 claimed, 2 counted"
    [told] = _topic(bare, put=6, retained=(4, 4))
    assert told.endswith("retention has deleted others: 4 claimed, 6 counted")


def test_a_gap_between_blocks() -> None:
    told = _topic([BlockRow("shop.bills", 0, 0, 4), BlockRow("shop.bills", 0, 5, 4)], put=9)
    assert told == ["shop.bills partition 0: the block after this offset begins elsewhere: 4 claimed, 5 counted"]
