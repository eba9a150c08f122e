"""A pipeline as text and as mermaid."""

from __future__ import annotations

from onward import graph
from onward.log import AppSpec, SourceSpec, StageSpec, TopicSpec


def _topics(*names: str) -> tuple[TopicSpec, ...]:
    return tuple(TopicSpec(name, 1, 1.0) for name in names)


APP = AppSpec(
    "a",
    _topics("a.found", "a.issued", "a.seen", "a.notes"),
    (SourceSpec("a.poll", ("a.found",)),),
    (
        StageSpec("a.submit", "a.issued", ()),
        StageSpec("a.issue", "a.found", ("a.issued", "a.seen")),
        StageSpec("a.count", "b.elsewhere", ("b.counts",)),
    ),
)


def test_text_in_the_order_of_the_flow() -> None:
    assert graph.text(APP).splitlines() == [
        "a",
        "  [poll] -> found",
        "  (put) -> notes",
        "  found -> [issue] -> issued, seen",
        "  b.elsewhere -> [count] -> b.counts",
        "  issued -> [submit]",
    ]


def test_circles_end() -> None:
    around = AppSpec(
        "a", _topics("a.x", "a.y"), (), (StageSpec("a.to", "a.x", ("a.y",)), StageSpec("a.fro", "a.y", ("a.x",)))
    )
    assert len(graph.text(around).splitlines()) == 3


def test_mermaid() -> None:
    lines = graph.mermaid(APP).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n0(["found"])' in lines and '  n4[/"poll"/]' in lines and '  n6["issue"]' in lines
    assert "  n4 --> n0" in lines and "  n6 --> n1" in lines and "  n6 --> n2" in lines
    assert any("b.elsewhere" in line for line in lines)
