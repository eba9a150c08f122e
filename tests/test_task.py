"""Tasks: their arguments, their runs, and what is kept of them."""

from __future__ import annotations

import logging
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from onward import App, Client, Secret, process
from onward.declaration import spec_of
from onward.errors import DeclarationError, Refused
from onward.spec import TaskSpec
from onward.task_run import OUTPUT, RESULT, TaskRun
from onward.testing import TestRun

LOG = logging.getLogger("onward.tests")


class Colour(Enum):
    red = "red"


class Point(Struct):
    x: int


class Settings(Struct):
    house: str = "ours"


def app_of(function: Any) -> App:
    app = App("shop")
    app.settings(Settings)
    app.task(function)
    return app


def runs(run: TestRun) -> list[TaskRun]:
    return list(run._wait(run._log.runs(None, 10)))


def test_text_is_converted_by_the_annotations() -> None:
    def load(
        count: int, half: float, loud: bool, wait: timedelta, file: Path, colour: Colour, names: list[str],
        point: Point, maybe: int | None, text: str, password: Secret, plain, many: int = 3,
    ) -> None:  # fmt: skip
        seen.extend([count, half, loud, wait, file, colour, names, point, maybe, text, password.reveal(), plain, many])

    seen: list[Any] = []
    with TestRun(app_of(load)) as run:
        run.task(
            load, count="3", half="0.5", loud="yes", wait="PT1M", file="a/b", colour="red", names='["a", "b"]',
            point='{"x": 1}', maybe="null", text="7", password="sesame", plain="x",
        )  # fmt: skip
        assert seen == [
            3, 0.5, True, timedelta(minutes=1), Path("a/b"), Colour.red, ["a", "b"], Point(1), None, "7",
            "sesame", "x", 3,
        ]  # fmt: skip
        run.task("load", **{**dict.fromkeys(["half", "loud"], 1), "count": 3, "wait": timedelta(1), "file": Path("x"),
                 "colour": Colour.red, "names": [], "point": Point(2), "maybe": 4, "text": "t", "password": Secret("s"),
                 "plain": 5, "loud": False})  # fmt: skip
        assert seen[13:] == [3, 1, False, timedelta(1), Path("x"), Colour.red, [], Point(2), 4, "t", "s", 5, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs count="),
        ({"count": "many"}, "count='many'"),
        ({"count": 1.5}, "count=1.5"),
        ({"count": 1, "password": ["hunter22"]}, r"password=\*\*\*"),
        ({"count": 1, "colour": "red"}, "no argument colour"),
        ({"count": 1, "settings": "x"}, "no argument settings"),
    ],
)
def test_wrong_arguments_are_refused_and_what_there_is_is_named(given: dict[str, Any], said: str) -> None:
    def load(settings: Settings, progress: Any, client: Client, count: int, password: Secret = Secret("")) -> None:
        raise AssertionError

    with TestRun(app_of(load)) as run:
        with pytest.raises(Refused, match=said) as refused:
            run.task(load, **given)
        assert "it takes count: int, password: Secret = ***" in str(refused.value)
        assert "hunter22" not in str(refused.value)
        assert runs(run) == []


def test_a_task_has_settings_resources_progress_and_a_client() -> None:
    def load(settings: Settings, progress: Any, press: str, client: Client) -> str:
        progress(1, 2)
        client.put("notes", press)
        return settings.house

    app = app_of(load)
    notes = app.topic("notes")

    @app.resource
    def press() -> Any:
        yield "real"

    with TestRun(app, resources={"press": "fake"}) as run:
        assert run.task(load) == "ours"
        assert run.values(notes) == ["fake"]
    assert spec_of(app).tasks == (TaskSpec("shop.load"),)


def test_a_run_is_recorded_with_secrets_masked() -> None:
    def load(password: Secret, count: int = 1) -> dict[str, str]:
        LOG.warning("it is %s", password.reveal())
        logging.getLogger("elsewhere").error("an error")
        return {"password": password.reveal()}

    with TestRun(app_of(load)) as run:
        LOG.warning("before")
        run.clock.advance("1h")
        assert run.task(load, password="open sesame") == {"password": "open sesame"}
        LOG.warning("after")
        [kept] = runs(run)
        assert (kept.task, kept.by, kept.outcome, kept.state) == ("shop.load", "test", "done", "done")
        assert kept.arguments == b'{"password":"***"}' and kept.result == b'{"password":"***"}'
        assert kept.started == kept.ended == run.clock.now()
        first, second = kept.output.splitlines()
        assert first.endswith("WARNING onward.tests: it is ***") and second.endswith("ERROR elsewhere: an error")


def test_a_run_that_fails_is_recorded_and_raises() -> None:
    async def load(secret: Secret) -> None:
        LOG.warning("so far")
        raise ValueError(f"no {secret.reveal()}")

    with TestRun(app_of(load)) as run:
        with pytest.raises(ValueError, match="no treasure"):
            run.task(load, secret="treasure")
        [kept] = runs(run)
        assert kept.outcome == "failed" and kept.error.startswith("ValueError: no ***\nTraceback")
        assert "treasure" not in kept.error and "so far" in kept.output and kept.result is None


@pytest.mark.parametrize(
    ("result", "said"),
    [(object(), "no JSON"), ({"a": object()}, "no JSON"), ("x" * RESULT, "bytes and is not kept"), (Point(1), "")],
)
def test_what_cannot_be_kept_is_said(result: Any, said: str) -> None:
    def load() -> Any:
        return result

    with TestRun(app_of(load)) as run:
        assert run.task(load) is result
        [kept] = runs(run)
        assert kept.outcome == "done" and said in kept.output
        assert kept.result == (None if said else b'{"x":1}')


def test_the_last_log_lines_are_kept() -> None:
    def load() -> None:
        for number in range(2_000):
            LOG.warning("%s %s", "x" * 100, number)

    with TestRun(app_of(load)) as run:
        run.task(load)
        [kept] = runs(run)
        assert OUTPUT - 300 < len(kept.output) <= OUTPUT and kept.output.endswith(" 1999")


def test_runs_at_the_same_time_keep_their_own_lines() -> None:
    def inner() -> None:
        LOG.warning("inner")

    def outer(client: Client) -> None:
        LOG.warning("outer")
        client.run(inner)
        LOG.warning("outer again")

    app = app_of(inner)
    app.task(outer)
    with TestRun(app) as run:
        run.task(outer)
        lines = {one.task: [line.split(": ")[1] for line in one.output.splitlines()] for one in runs(run)}
    assert lines == {"shop.inner": ["inner"], "shop.outer": ["outer", "outer again"]}


def test_one_whose_process_died_is_lost() -> None:
    assert TaskRun("a.b", "me", "elsewhere/1/2/3", 0.0, b"{}").state == "running"
    here = process.new_name().partition("/")[0]
    assert TaskRun("a.b", "me", f"{here}/4194305/2/3", 0.0, b"{}").state == "lost"


def test_faults_of_a_declaration() -> None:
    app = App("shop")
    notes = app.topic("notes")

    @app.task
    def yields():  # type: ignore[no-untyped-def]
        yield 1

    @app.task
    def takes_any(*numbers: int) -> None: ...

    @app.task
    def twice(number: set[list[int]] | dict[str, int]) -> None: ...

    app.stage(notes, name="twice")(lambda value: None)
    with pytest.raises(DeclarationError) as found:
        app.check()
    said = " ".join(fault.what for fault in found.value.faults)
    assert "shop.yields yields" in said and "shop.takes_any takes *" in said
    assert "shop.twice is already declared" in said
