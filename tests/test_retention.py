"""What may go of a topic: by time, by how far its stages have come, and by which of them count."""

from __future__ import annotations

from onward.log import AppSpec, PartitionFacts, StageSpec, Survey, TopicSpec, Totals
from onward.retention import due, instants
from onward.survey import TopicFacts

NOW = 1_000_000.0
FOR_EVER = 2**62


def survey(*stages: str, gone: dict[str, float] | None = None, partitions: int = 1, held: int = 0) -> Survey:
    spec = AppSpec("a", (TopicSpec("a.in", partitions, 60.0),), (), tuple(StageSpec(s, "a.in", ()) for s in stages))
    facts = [
        PartitionFacts(stage, "a.in", partition, 0, 100, 50, 0, Totals(), {}, 0, None)
        for stage in (*stages, *(gone or {}))
        for partition in range(max(partitions, held))
    ]
    topics = [TopicFacts("a.in", partitions, 100, 1_000, 100, 100, 0, held or partitions)]
    return Survey([spec], facts, topics, {}, (), gone=gone or {})


def test_a_topic_that_no_stage_reads_keeps_by_time_alone() -> None:
    assert list(due(survey(), {}, NOW)) == [("a.in", NOW - 60, {0: FOR_EVER}, ())]


def test_the_slowest_stage_says_what_may_go() -> None:
    passed = {("a.s", 0): 50, ("a.t", 0): 20, ("a.s", 1): 7, ("a.t", 1): 9}
    [one] = due(survey("a.s", "a.t", partitions=2), passed, NOW)
    assert (one.offsets, one.overrun) == ({0: 20, 1: 7}, ())


def test_how_far_a_stage_had_come_counts_from_when_it_passed() -> None:
    assert instants(survey("a.s"), NOW) == {"a.s": NOW - 60}


def test_a_stage_that_is_gone_holds_up_its_topic_for_as_long_as_that_keeps() -> None:
    passed = {("a.s", 0): 50, ("a.t", 0): 20}
    for since, offset, overrun in ((NOW - 59, 20, ()), (NOW - 60, 50, ("a.t",))):
        [one] = due(survey("a.s", gone={"a.t": since}), passed, NOW)
        assert (one.offsets, one.overrun) == ({0: offset}, overrun)


def test_where_all_stages_are_gone_time_alone_counts() -> None:
    [one] = due(survey(gone={"a.t": 0.0}), {("a.t", 0): 20}, NOW)
    assert (one.offsets, one.overrun) == ({0: FOR_EVER}, ("a.t",))


def test_a_topic_that_no_app_declares_is_left_alone() -> None:
    found = survey()._replace(apps=[AppSpec("a", (), (), ())])
    assert list(due(found, {}, NOW)) == []


def test_the_longest_keep_counts_where_several_apps_declare_a_topic() -> None:
    found = survey()
    other = AppSpec("b", (TopicSpec("a.in", 1, 100.0),), (), ())
    [one] = due(found._replace(apps=[*found.apps, other]), {}, NOW)
    assert one.before == NOW - 100


def test_partitions_that_a_topic_has_no_more_are_swept_too() -> None:
    [one] = due(survey("a.s", partitions=1, held=2), {("a.s", 0): 5, ("a.s", 1): 6}, NOW)
    assert one.offsets == {0: 5, 1: 6}
