"""Reviews: records wait for a person, and go on by what was decided."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Struct

from onward import App, Hold, Record, Reject, Retry
from onward.errors import DeclarationError
from onward.log import Request
from onward.review import Decision
from onward.testing import TestRun
from scenarios.ground import NOW, Ground


class Draft(Struct):
    name: str
    number: int = 0


class Article(Struct):
    name: str
    number: int
    by: str
    note: str


class Desk:
    """An app with one review, whose function accepts, rejects or fails by what was chosen."""

    def __init__(self, style: str = "def", **options: Any) -> None:
        self.app = App("desk")
        self.drafts = self.app.topic("drafts", Draft, key="name")
        self.articles = self.app.topic("articles", Article, key="name")
        self.fails = 0

        def decided(draft: Draft, decision: Decision) -> Article | Hold | Reject | None:
            if self.fails:
                self.fails -= 1
                raise ValueError("not now")
            outcomes = {"reject": Reject("bad"), "later": Hold("once more"), "drop": None}
            if decision.choice in outcomes:
                return outcomes[decision.choice]
            return Article(draft.name, draft.number, decision.by, decision.note)

        async def decided_later(record: Record[Draft], decision: Decision) -> Any:
            await asyncio.sleep(0)
            return decided(record.value, decision)

        def decided_yielding(draft: Draft, decision: Decision) -> Any:
            yield decided(draft, decision)

        options.setdefault("retry", Retry(attempts=2, first="1s", most="1s"))
        handler = {"def": decided, "async": decided_later, "yield": decided_yielding}[style]
        self.review = self.app.review(
            self.drafts, to=self.articles, choices=["accept", "reject", "later", "drop"], name="edit", **options
        )(handler)


def decide(ground: Ground, choice: str, offset: int, **more: Any) -> int:
    match = {"offset": offset, "state": "waiting", "decision": {"choice": choice, "note": "fine"}}
    request = Request(0, "desk.edit", 0, "decide", {**match, **more}, "eve", NOW)
    [id_] = ground.books(lambda books: books.ask([request]))
    return int(id_)


def answer(ground: Ground, id_: int) -> str:
    return str(ground.books(lambda books: books.answers([id_]))[id_])


@pytest.mark.parametrize("style", ["def", "async", "yield"])
def test_records_wait_until_somebody_decides(ground: Ground, style: str) -> None:
    desk = Desk(style)
    ground.put(desk.app, desk.drafts, Draft("a", 1), Draft("b", 2), Draft("a", 3))
    assert not ground.run(desk.app).failed
    assert ground.states() == {"waiting": 2, "behind": 1} and ground.values(desk.articles) == []
    ground.recount()
    asked = decide(ground, "accept", 0)
    ground.run(desk.app)
    assert answer(ground, asked) == "1 decided: accept"
    assert ground.values(desk.articles) == [Article("a", 1, "eve", "fine")]
    assert ground.states() == {"waiting": 2}  # the next one of its key waits now
    decide(ground, "accept", 2)
    decide(ground, "drop", 1)
    ground.run(desk.app)
    assert [article.number for article in ground.values(desk.articles)] == [1, 3]
    ground.recount(empty=True)


def test_what_was_decided_stands_over_retries_and_restarts(ground: Ground) -> None:
    desk = Desk()
    desk.fails = 3
    ground.put(desk.app, desk.drafts, Draft("a", 1))
    ground.run(desk.app)
    decide(ground, "accept", 0)
    ground.run(desk.app, patience=0.0)
    [row] = ground.parked()
    assert (row.state, row.attempts) == ("retrying", 1) and '"choice":"accept"' in row.reason
    ground.run(desk.app)
    [row] = ground.parked()
    assert row.state == "dead" and "not now" in row.error and '"choice":"accept"' in row.reason
    ground.ask("desk.edit", "retry")
    ground.run(desk.app)  # fails once more, and then passes
    assert ground.values(desk.articles) == [Article("a", 1, "eve", "fine")]
    ground.recount(empty=True)


def test_decided_may_hold_again_or_reject(ground: Ground) -> None:
    desk = Desk()
    ground.put(desk.app, desk.drafts, Draft("a", 1))
    ground.run(desk.app)
    decide(ground, "later", 0)
    ground.run(desk.app)
    [row] = ground.parked()
    assert (row.state, row.reason) == ("waiting", "once more")
    ground.ask("desk.edit", "retry")  # a retry is no decision
    ground.run(desk.app)
    assert ground.states() == {"waiting": 1}
    decide(ground, "reject", 0)
    ground.run(desk.app)
    assert ground.states() == {"dead": 1} and ground.values(desk.articles) == []
    ground.recount()


def test_what_is_no_choice_is_refused_by_the_holder_too(ground: Ground) -> None:
    desk = Desk()
    ground.put(desk.app, desk.drafts, Draft("a", 1))
    ground.run(desk.app)
    asked = [decide(ground, "other", 0), decide(ground, "accept", 7)]
    ground.run(desk.app)
    assert answer(ground, asked[0]).startswith("refused: 'other' is no choice here; there are accept, reject")
    assert answer(ground, asked[1]) == "0 decided: accept"
    assert ground.states() == {"waiting": 1}


def test_of_two_who_decide_the_first_counts(ground: Ground) -> None:
    desk = Desk()
    ground.put(desk.app, desk.drafts, Draft("a", 1))
    ground.run(desk.app)
    asked = [decide(ground, "drop", 0), decide(ground, "accept", 0)]
    ground.run(desk.app)
    assert [answer(ground, one) for one in asked] == ["1 decided: drop", "0 decided: accept"]
    assert ground.values(desk.articles) == []
    ground.recount(empty=True)


def test_only_the_newest_of_a_key_waits(ground: Ground) -> None:
    desk = Desk(newest=True)
    ground.put(desk.app, desk.drafts, Draft("a", 1), Draft("b", 2), Draft("a", 3), Draft("a", 4))
    ground.run(desk.app)
    assert [(row.offset, row.state) for row in ground.parked()] == [(1, "waiting"), (3, "waiting")]
    ground.recount()
    ground.put(desk.app, desk.drafts, Draft("a", 5), Draft("c", 6))
    ground.run(desk.app)
    assert [row.offset for row in ground.parked()] == [1, 4, 5]
    asked = [decide(ground, "accept", 3), decide(ground, "accept", 4)]
    ground.run(desk.app)
    assert [answer(ground, one) for one in asked] == ["0 decided: accept", "1 decided: accept"]
    assert [article.number for article in ground.values(desk.articles)] == [5]
    [facts] = ground.books(lambda books: books.survey()).stages
    assert (facts.totals.done, facts.totals.dropped) == (4, 3)
    ground.recount()


def test_one_that_is_decided_is_not_dropped_for_a_newer_one(ground: Ground) -> None:
    desk = Desk(newest=True)
    desk.fails = 1
    ground.put(desk.app, desk.drafts, Draft("a", 1))
    ground.run(desk.app)
    decide(ground, "accept", 0)
    ground.run(desk.app, patience=0.0)
    assert ground.states() == {"retrying": 1}
    ground.put(desk.app, desk.drafts, Draft("a", 2), Draft("a", 3))
    ground.run(desk.app)
    assert [article.number for article in ground.values(desk.articles)] == [1]
    assert [row.offset for row in ground.parked()] == [2]
    ground.recount()


def test_one_that_cannot_be_read_dies(ground: Ground) -> None:
    desk = Desk()
    ground.put_raw(desk.app, desk.drafts, "a", b'{"name": 7}')
    ground.run(desk.app)
    assert ground.states() == {"dead": 1}


def test_a_review_in_a_test() -> None:
    desk = Desk()
    with TestRun(desk.app) as run:
        run.put(desk.drafts, Draft("a", 1), Draft("b", 2), Draft("c", 3))
        run.until_idle()
        assert [row.state for row in run.parked(desk.review)] == ["waiting"] * 3
        assert run.decide(desk.review, "accept", key="b", note="good", by="ann") == 1
        run.until_idle()
        assert run.values(desk.articles) == [Article("b", 2, "ann", "good")]
        assert run.decide("edit", "drop") == 2
        run.until_idle()
        assert run.parked("edit") == []


def test_faults_of_a_declaration() -> None:
    app = App("desk")
    drafts = app.topic("drafts", Draft)
    app.review(drafts, choices=["yes"], name="one")(lambda value: None)
    app.review(drafts, choices=[], name="two")(lambda value, decision: None)
    with pytest.raises(DeclarationError) as found:
        app.check()
    said = [fault.what for fault in found.value.faults]
    assert said == [
        "review desk.one takes no decision; write f(value, decision)", "review desk.two has no choices=",
    ]  # fmt: skip
