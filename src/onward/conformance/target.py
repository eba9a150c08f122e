"""What a database must do that stages commit within. A target is what passes this suite.

    class TestMine(TargetSuite):
        def open(self):
            self.url = new_empty_database()
            return MyTarget(self.url)

        def another(self):
            return MyTarget(self.url)

        def rows(self, statement):
            return what_it_gives(self.url, statement)

Put that into a test file and run pytest. Each test has a database of its own; the handles are closed by the suite.
`tx` has to have a method `execute`, and the database to know plain SQL.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from onward.codec import VALUE, Codec
from onward.conformance.case import OUT, WORK, append, finishing, raises
from onward.draft import relay_from
from onward.errors import AlreadyCommitted, LeaseLost, OnwardError, Refused, WentBack
from onward.log import Claim, Commit, Lease, SourceState, Totals
from onward.target import Target, Transaction, unit_after
from onward.undo import Undo

PATIENCE = 30.0
"""Seconds after which a thread that hangs has failed."""


def claim(token: int = 1, *, stage: str = WORK, partition: int = 0, next_: int = 0, unit: str | None = None) -> Claim:
    """What the store says of a stage and partition."""
    return Claim(Lease(stage, partition, "w", token), next_, (), Totals(), (), "x", SourceState(), unit)


FIRST = unit_after(None, "x")
SECOND = unit_after(FIRST, "x")


def scenario(test: Callable[[Any, Case], None]) -> Callable[[Any], None]:
    """Makes a plain test of one that takes a case, on a fresh database."""

    def run(suite: TargetSuite) -> None:
        with contextlib.closing(Case(suite)) as case:
            test(suite, case)

    functools.update_wrapper(run, test)
    run.__signature__ = inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)])  # type: ignore[attr-defined]
    return run


class Case:
    """One database under test, with a table for effects."""

    def __init__(self, suite: TargetSuite) -> None:
        self.suite = suite
        self.target = suite.open()
        self.opened = [self.target]
        self.target.take(claim(stage="setup"))
        setup = self.target.begin(claim(stage="setup").lease, None)
        setup.tx.execute("CREATE TABLE effect (n INTEGER)")
        setup.check()
        setup.commit(0, FIRST, Commit())

    def another(self) -> Target:
        """A handle as another process would have it."""
        self.opened.append(self.suite.another())
        return self.opened[-1]

    def effects(self) -> list[int]:
        """What is seen from outside."""
        return [n for (n,) in self.suite.rows("SELECT n FROM effect ORDER BY n")]

    def cursor(self, stage: str = WORK) -> list[tuple[Any, ...]]:
        return self.suite.rows(f"SELECT partition, token, next FROM onward_cursor WHERE stage = '{stage}' ORDER BY 1")

    def do(self, lease: Lease, n: int, last: str | None = None, unit: str = FIRST, next_: int = 1) -> None:
        """A unit whose effect is a row, and which emits."""
        opened = begun(self.target, lease, last)
        write(opened, n)
        opened.check()
        opened.commit(next_, unit, finishing(lease, next_ - 1, next_, appends=[append(n, topic=OUT)], unit=unit))

    def close(self) -> None:
        for target in reversed(self.opened):
            target.close()


def begun(target: Target, lease: Lease, last: str | None = None) -> Transaction:
    """A unit's transaction in which a call has begun."""
    opened = target.begin(lease, last)
    opened.undo(Undo()).mark(0, 0)
    return opened


def write(opened: Transaction, n: int) -> None:
    opened.tx.execute(f"INSERT INTO effect VALUES ({n})")


def emitted(texts: Sequence[str]) -> list[Any]:
    """The values that a ledger row holds."""
    outputs, parked = texts
    anything = Codec(Any)
    appends = relay_from(outputs, parked, claim().lease).appends
    return [entry[VALUE] for one in appends for entry in anything.decode(one.entries)]


@contextlib.contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Does something in a thread while the block runs; afterwards it has ended, and the list has what it gave or
    raised."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield found
    thread.join(PATIENCE)
    assert found, "it hangs"


class TargetSuite:
    """Subclass it with `open`, `another` and `rows`."""

    def open(self) -> Target:
        """A handle on a new, empty database."""
        raise NotImplementedError

    def another(self) -> Target:
        """A further handle on the database that was opened last, as another process would have it."""
        raise NotImplementedError

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement gives, asked from outside."""
        raise NotImplementedError

    # a unit

    @scenario
    def test_effect_cursor_and_ledger_are_kept_together(self, case: Case) -> None:
        first = claim()
        assert case.target.take(first) is None
        opened = begun(case.target, first.lease)
        write(opened, 1)
        assert case.effects() == [] and case.cursor() == [(0, 1, 0)]
        opened.check()
        opened.commit(5, FIRST, finishing(first.lease, 0, 5, appends=[append("out", topic=OUT)], unit=FIRST))
        assert case.effects() == [1] and case.cursor() == [(0, 1, 5)]
        [(position, *texts)] = self.rows(f"SELECT position, outputs, parked FROM onward_ledger WHERE stage = '{WORK}'")
        assert position == FIRST and emitted(texts) == ["out"]

    @scenario
    def test_what_is_rolled_back_leaves_nothing(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        opened = begun(case.target, first.lease)
        write(opened, 1)
        opened.roll_back()
        assert case.effects() == [] and case.cursor() == [(0, 1, 0)]
        assert not case.target.kept(first.lease, FIRST)
        case.do(first.lease, 2)
        assert case.effects() == [2]

    @scenario
    def test_a_call_is_taken_back_alone(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        opened = case.target.begin(first.lease, None)
        undo = opened.undo(Undo())
        for n in range(5):
            undo.mark(n, n)
            write(opened, n)
            undo.stands()
            if n in (1, 4):
                undo.back(ValueError())
        opened.check()
        opened.commit(5, FIRST, finishing(first.lease, 0, 5, unit=FIRST))
        assert case.effects() == [0, 2, 3]

    @scenario
    def test_a_statement_that_fails_takes_back_its_call_only(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        opened = case.target.begin(first.lease, None)
        undo = opened.undo(Undo())
        for n in range(3):
            undo.mark(n, n)
            write(opened, n)
            if n == 1:
                try:
                    opened.tx.execute("INSERT INTO nowhere VALUES (1)")
                except Exception as error:
                    undo.back(error)
        opened.check()
        opened.commit(3, FIRST, finishing(first.lease, 0, 3, unit=FIRST))
        assert case.effects() == [0, 2]

    @scenario
    def test_units_follow_one_another(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        case.do(first.lease, 1)
        case.do(first.lease, 2, FIRST, SECOND, 2)
        assert case.effects() == [1, 2] and case.cursor() == [(0, 1, 2)]
        assert self.rows(f"SELECT position FROM onward_ledger WHERE stage = '{WORK}'") == [(SECOND,)]

    @scenario
    def test_a_unit_is_kept_once(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        case.do(first.lease, 1)
        opened = begun(case.target, first.lease, FIRST)
        write(opened, 2)
        opened.check()
        with raises(AlreadyCommitted):
            opened.commit(1, FIRST, finishing(first.lease, 0, 1, unit=FIRST))
        opened.roll_back()
        assert case.effects() == [1]

    @scenario
    def test_what_was_kept_can_be_found_out(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        assert not case.target.kept(first.lease, FIRST)
        case.do(first.lease, 1)
        assert case.target.kept(first.lease, FIRST)
        assert not case.target.kept(first.lease, SECOND)
        case.another().take(claim(2, unit=FIRST, next_=1))
        with raises(LeaseLost):
            case.target.kept(first.lease, FIRST)

    @scenario
    def test_stages_and_partitions_are_told_apart(self, case: Case) -> None:
        for stage, partition in ((WORK, 0), (WORK, 1), (f"{WORK}~1", 0)):
            one = claim(stage=stage, partition=partition)
            case.target.take(one)
            case.do(one.lease, partition)
        assert case.effects() == [0, 0, 1]
        assert case.cursor() == [(0, 1, 1), (1, 1, 1)] and case.cursor(f"{WORK}~1") == [(0, 1, 1)]

    # a handler that ends the transaction

    @scenario
    def test_a_transaction_that_a_handler_ends_is_not_kept(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        for statements in (["COMMIT"], ["ROLLBACK"], ["COMMIT", "BEGIN"], ["ROLLBACK", "BEGIN"], ["END"]):
            opened = begun(case.target, first.lease)
            write(opened, 1)
            for statement in statements:
                with contextlib.suppress(Exception):
                    opened.tx.execute(statement)
            with contextlib.suppress(Exception):
                write(opened, 2)
            with raises(Refused):
                opened.check()
            opened.roll_back()
            assert case.effects() == [], statements
        case.do(first.lease, 3)
        assert case.effects() == [3]

    @scenario
    def test_calls_after_one_that_has_ended_it_are_refused(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        for statement in ("COMMIT", "ROLLBACK"):
            opened = case.target.begin(first.lease, None)
            undo = opened.undo(Undo())
            undo.mark(0, 0)
            with contextlib.suppress(Exception):
                opened.tx.execute(statement)
            with raises(Refused):
                undo.mark(1, 1)
            undo.back(ValueError())
            with raises(Refused):
                opened.check()
            opened.roll_back()

    # who holds it

    @scenario
    def test_an_older_token_begins_nothing(self, case: Case) -> None:
        old, new = claim(3), claim(4)
        case.target.take(old)
        case.another().take(new)
        with raises(LeaseLost):
            case.target.begin(old.lease, None)
        with raises(LeaseLost):
            case.target.begin(claim(stage="nobody").lease, None)
        case.do(new.lease, 1)
        assert case.effects() == [1]

    @scenario
    def test_taking_it_waits_for_an_open_unit_and_finds_it(self, case: Case) -> None:
        old, other = claim(), case.another()
        case.target.take(old)
        opened = begun(case.target, old.lease)
        write(opened, 1)
        with meanwhile(lambda: other.take(claim(2))) as found:
            opened.check()
            assert not found
            opened.commit(1, FIRST, finishing(old.lease, 0, 1, appends=[append("out", topic=OUT)], unit=FIRST))
        assert emitted(found[0]) == ["out"]
        assert case.effects() == [1] and case.cursor() == [(0, 2, 1)]

    @scenario
    def test_taking_it_waits_for_an_open_unit_that_comes_to_nothing(self, case: Case) -> None:
        old, other = claim(), case.another()
        case.target.take(old)
        opened = begun(case.target, old.lease)
        write(opened, 1)
        with meanwhile(lambda: other.take(claim(2))) as found:
            assert not found
            opened.roll_back()
        assert found == [None]
        assert case.effects() == [] and case.cursor() == [(0, 2, 0)]

    # target and store

    @scenario
    def test_the_last_unit_is_told_until_the_store_has_learned_of_it(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        case.do(first.lease, 7)
        texts = case.target.take(claim(2))
        assert texts is not None and emitted(texts) == [7]
        assert case.target.take(claim(3)) == texts
        case.target.learned(claim(3).lease)
        assert case.target.take(claim(4)) == ("", "")
        assert case.target.take(claim(5, unit=FIRST, next_=1)) is None

    @scenario
    def test_a_target_that_has_lost_or_gained_units_is_noticed(self, case: Case) -> None:
        with raises(WentBack):
            case.target.take(claim(unit=FIRST, next_=1))
        first = claim()
        case.target.take(first)
        case.do(first.lease, 1)
        case.do(first.lease, 2, FIRST, SECOND, 2)
        for store in (None, unit_after(SECOND, "x"), unit_after(FIRST, "another")):
            with raises(WentBack):
                case.target.take(claim(9, unit=store))
        with raises(WentBack):
            case.target.take(claim(1, unit=SECOND))
        with raises(WentBack):
            case.target.begin(first.lease, FIRST)
        assert case.cursor() == [(0, 1, 2)]
        assert case.target.take(claim(2, unit=FIRST)) is not None

    @scenario
    def test_a_stage_keeps_its_rows_under_another_name(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        case.do(first.lease, 1)
        named = claim(2, stage="app.renamed", unit=FIRST, next_=1)
        assert case.target.take(named, WORK) is None
        assert case.cursor() == [] and case.cursor("app.renamed") == [(0, 2, 1)]
        case.do(named.lease, 2, FIRST, SECOND, 2)
        assert case.target.take(claim(3, stage="app.renamed", unit=SECOND), WORK) is None

    @scenario
    def test_handles_that_are_opened_at_once_make_it_once(self, case: Case) -> None:
        def open_and_take(partition: int) -> object:
            return case.another().take(claim(stage="many", partition=partition))

        with contextlib.ExitStack() as all_of_them:
            found = [all_of_them.enter_context(meanwhile(functools.partial(open_and_take, p))) for p in range(4)]
        assert found == [[None]] * 4
        assert [row[0] for row in case.cursor("many")] == [0, 1, 2, 3]

    @scenario
    def test_errors_are_of_ours(self, case: Case) -> None:
        first = claim()
        case.target.take(first)
        for wrong in (lambda: case.target.begin(claim(7).lease, None), lambda: case.target.take(claim(1))):
            with raises(OnwardError):
                wrong()
