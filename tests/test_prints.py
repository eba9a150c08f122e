"""What handlers print stays whole lines."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from onward.prints import Lines, to_stderr


def test_a_line_is_one_write() -> None:
    seen: list[str] = []

    class Writes(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(text)
            return super().write(text)

    out = Writes()
    lines = Lines(out)
    print("a", 1, file=lines)
    print("begun", end="", file=lines)
    assert seen == ["a 1\n"]
    lines.write("\nb\nc")
    assert seen == ["a 1\n", "begun\nb\n"]
    lines.flush()
    assert seen[-1] == "c"


def test_threads_do_not_mix_their_lines() -> None:
    out = io.StringIO()
    lines = Lines(out)
    here, there = threading.Event(), threading.Event()

    def other() -> None:
        lines.write("other ")
        here.set()
        assert there.wait(5)
        lines.write("ends\n")
        lines.write("left")

    thread = threading.Thread(target=other)
    thread.start()
    assert here.wait(5)
    print("mine", file=lines)
    there.set()
    thread.join()
    lines.flush_all()
    assert out.getvalue() == "mine\nother ends\nleft\n"


def test_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with to_stderr():
        print("seen", end="")
        assert sys.stdout.encoding == sys.stderr.encoding
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "seen\n")
