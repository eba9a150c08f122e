"""What is given with an outcome is looked at in the handler, so that what is wrong with it fails one record only."""

from __future__ import annotations

from typing import Any

import pytest

from onward import App, Drop, Hold, Later, Reject, Retry
from onward.testing import TestRun


@pytest.mark.parametrize("kind", [Drop, Hold, Reject])
def test_a_reason_is_text_whatever_is_given(kind: Any) -> None:
    assert kind(ValueError("no number")).reason == "no number"
    assert kind(None).reason == ""
    assert kind(5).reason == "5"


@pytest.mark.parametrize("after", ["1 potato", -5, None, 10**12, float("nan")])
def test_a_wait_that_is_none_is_refused_at_once(after: Any) -> None:
    with pytest.raises(ValueError):
        Later(after)
    with pytest.raises(ValueError):
        Later("1s", give_up=after if after is not None else "zz")


def test_only_the_record_fails_whose_handler_gave_it() -> None:
    app = App("sl")
    given = app.topic("given", dict, key="k")
    made = app.topic("made", dict)

    @app.stage(given, to=made, retry=Retry(attempts=2, first="1ms"))
    def read(value: dict[str, Any]) -> dict[str, Any] | Reject | Later:
        if value["v"] == "late":
            return Later("1 potato")
        try:
            return {"r": int(value["v"])}
        except ValueError as error:
            return Reject(error)  # type: ignore[arg-type]

    with TestRun(app) as run:
        run.put(given, {"k": "a", "v": 1}, {"k": "b", "v": "zz"}, {"k": "c", "v": "late"}, {"k": "d", "v": 3})
        run.until_idle(raises=False)
        assert run.values(made) == [{"r": 1}, {"r": 3}]
        assert [(row.key, row.state) for row in run.parked(read)] == [("b", "dead"), ("c", "dead")]
