"""Signals: the first asks to stop, whoever hears it."""

from __future__ import annotations

import os
import signal

from onward.run import Signals


def test_a_signal_that_came_too_late_for_the_inner_is_heeded_by_the_outer() -> None:
    asked = []
    with Signals() as outer:
        outer.on_first(lambda: asked.append("outer"))
        with Signals() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner.heard == signal.SIGTERM and asked == []
        assert outer.heard == signal.SIGTERM and asked == ["outer"]


def test_one_that_nobody_heard_asks_nobody() -> None:
    with Signals() as outer:
        with Signals():
            pass
        assert outer.heard is None
