"""What is kept of a failure: bounded, masked, and such that any store takes it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from onward import App, Reject, Retry, Secret, Unavailable
from onward.conformance.case import append
from onward.failure import MOST, kind_of, message_of, storable, traceback_of
from onward.log import Commit
from onward.logs.sqlite import SQLiteLog
from onward.logs.sqlite_books import SQLiteBooks
from onward.plan import Plan
from onward.settings import MASK
from onward.worker import Worker


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_its_kind() -> None:
    assert kind_of(ValueError()) == "ValueError"
    assert kind_of(Odd()) == f"{__name__}.Odd"


def test_its_message_is_bounded_and_masked() -> None:
    Secret("swordfish")
    assert message_of(ValueError("the word is swordfish")) == f"the word is {MASK}"
    assert len(message_of(ValueError("x" * 100_000))) == MOST


def test_its_traceback_names_file_line_and_code() -> None:
    text = traceback_of(raised(ValueError("no")))
    assert text.startswith("Traceback (most recent call last):\n")
    assert f'File "{__file__}"' in text and "in raised" in text and "raise error" in text
    assert text.endswith("ValueError: no\n")
    assert len(traceback_of(raised(ValueError("x" * 100_000)))) == MOST


def test_its_traceback_tells_the_cause() -> None:
    error = ValueError("no")
    error.__cause__ = raised(KeyError("why"))
    error.add_note("by the way")
    text = traceback_of(raised(error))
    assert "KeyError: 'why'" in text and "direct cause" in text and "by the way" in text


@pytest.mark.parametrize("text", ["plain", "ключ 🔑", "line\nline", ""])
def test_text_that_can_be_stored_stays(text: str) -> None:
    assert storable(text) == text


def test_text_that_cannot_be_stored_is_escaped() -> None:
    assert storable("a\0b") == r"a\x00b"
    assert storable("name-\udcff.csv") == r"name-\udcff.csv"
    for error in (ValueError("a\0b\udcff"), Odd()):
        for text in (message_of(error), traceback_of(raised(error))):
            assert "\0" not in text
            text.encode()


def ended(app: App, url: str) -> Any:
    """Runs the app on one record until nothing is left; what is parked, and the leases."""

    async def run() -> Any:
        log = SQLiteLog(url)
        books = SQLiteBooks(url)
        worker = Worker([app], log, books, Plan(once=True, patience=0.0))
        await worker.declare()
        await log.commit(Commit(appends=[append(1, topic="odd.seen")]))
        try:
            async with asyncio.timeout(20):
                await worker.run()
            return await books.parked(None, None, None, None), (await books.survey()).leases, worker.report
        finally:
            await log.close()
            await books.close()

    return asyncio.run(run())


ODD = "name-\udcff.csv\0"


def test_a_record_that_fails_with_odd_text_dies_as_any_other(tmp_path: Path) -> None:
    app = App("odd")
    seen = app.topic("seen")

    @app.stage(seen, retry=Retry(attempts=1))
    def work(value: Any) -> None:
        raise FileNotFoundError(ODD)

    parked, _, report = ended(app, f"sqlite:///{tmp_path}/store.db")
    ((_, _, row, (attempt,)),) = parked
    assert (row.state, row.error) == ("dead", r"FileNotFoundError: name-\udcff.csv\x00")
    assert attempt.message == r"name-\udcff.csv\x00"
    assert report.troubles == []


def test_a_reason_may_be_odd_text(tmp_path: Path) -> None:
    app = App("odd")
    seen = app.topic("seen")

    @app.stage(seen)
    def work(value: Any) -> Reject:
        return Reject(ODD)

    parked, _, report = ended(app, f"sqlite:///{tmp_path}/store.db")
    assert [(row.state, row.reason) for _, _, row, _ in parked] == [("dead", r"name-\udcff.csv\x00")]
    assert report.troubles == []


def test_an_outage_may_say_odd_text_and_no_secret(tmp_path: Path) -> None:
    Secret("swordfish")
    app = App("odd")
    seen = app.topic("seen")

    @app.stage(seen)
    def work(value: Any) -> None:
        raise Unavailable(f"{ODD} swordfish")

    _, leases, report = ended(app, f"sqlite:///{tmp_path}/store.db")
    assert report.tripped == ["odd.work"]
    assert report.troubles == []
    assert "swordfish" not in str(leases)
