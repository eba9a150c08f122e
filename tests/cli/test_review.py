"""`onward review`: what waits for a person, and the decision."""

from __future__ import annotations

from .conftest import Command, until

PROGRAM = """
from onward import App

app = App("desk")
drafts = app.topic("drafts", dict, key="name")
articles = app.topic("articles", dict)

@app.review(drafts, to=articles, choices=["accept", "reject"])
def edit(draft: dict, decision) -> dict | None:
    if decision.choice == "reject":
        return None
    return {**draft, "by": decision.by, "note": decision.note}
"""


def _desk(command: Command, *names: str) -> None:
    (command.folder / "desk.py").write_text(PROGRAM)
    command("put", "drafts", "--app", "desk.py", said="".join(f'{{"name": "{name}"}}\n' for name in names))
    command("run", "desk.py", "--once")


def test_list_show_and_decide(command: Command) -> None:
    _desk(command, "a", "b", "c")
    lines = command.lines("review", "list")
    assert [(line["stage"], line["offset"], line["key"], line["value"]) for line in lines] == [
        ("desk.edit", at, name, {"name": name}) for at, name in enumerate("abc")
    ]
    assert lines[0]["choices"] == ["accept", "reject"] and lines[0]["topic"] == "desk.drafts"
    assert [line["key"] for line in command.lines("review", "list", "b")] == ["b"]
    assert "accept, reject" in command("review", "list").stdout
    assert '{"name":"b"}' in command("review", "show", "desk.drafts:0:1").stdout
    assert command.lines("review", "list", "drafts:0:1") == command.lines("review", "list", "b")
    [shown] = command.document("review", "show", "b", "--stage", "edit")["records"]
    assert shown["choices"] == ["accept", "reject"] and shown["state"] == "waiting"

    ended = command("review", "decide", "desk.drafts:0:0", "accept", "--note", "good", ONWARD_USER="eve")
    assert ended.stdout == "desk.edit desk.drafts:0:0: noted; a worker that runs it carries it out\n"
    [request] = command.document("review", "decide", "b", "reject")["requests"]
    assert request["answer"] is None
    command("run", "desk.py", "--once")
    [article] = command.lines("read", "articles")
    assert article["value"] == {"name": "a", "by": "eve", "note": "good"} and article["origin"] == "desk.drafts:0:0"
    assert [line["key"] for line in command.lines("review", "list")] == ["c"]
    command.accounted()


def test_a_running_worker_carries_it_out_at_once(command: Command) -> None:
    _desk(command, "a")
    command.start("run", "desk.py")
    until(lambda: command.stage("desk.edit")["state"] != "not running")
    ended = command("review", "decide", "a", "accept")
    assert ended.stdout == "desk.edit desk.drafts:0:0: 1 decided: accept\n"
    until(lambda: command.lines("read", "articles"))


def test_what_cannot_be_decided(command: Command) -> None:
    _desk(command, "a")
    last = command("review", "decide", "a", "maybe", exits=2).stderr.splitlines()[-1]
    assert "'maybe' is no choice of desk.edit; there are accept, reject" in last
    assert "nothing waits" in command("review", "decide", "z", "accept", exits=1).stderr.splitlines()[-1]
    assert "nothing waits" in command("review", "show", "z", exits=1).stderr.splitlines()[-1]
    assert "desk.edit" in command("review", "list", "--stage", "other", exits=2).stderr.splitlines()[-1]
    assert len(command.lines("review", "list")) == 1


def test_the_log_says_what_is_waited_for(command: Command) -> None:
    _desk(command, "a")
    command("put", "drafts", "--app", "desk.py", said='{"name": "b"}')
    assert "waits for a decision, accept or reject" in command("run", "desk.py", "--once").stderr


def test_a_retry_leaves_what_waits_for_a_decision(command: Command) -> None:
    _desk(command, "a", "b")
    assert "a decision: accept or reject" in command("parked", "list").stdout
    ended = command("parked", "retry", "a", exits=1)
    assert ended.stdout == "" and "`onward review decide POSITION|KEY CHOICE --stage desk.edit`" in ended.stderr
    assert "accept, reject" in ended.stderr and "nothing was asked for" in ended.stderr.splitlines()[-1]
    [asked] = command.document("parked", "retry", exits=1)["requests"]
    assert asked == {"id": None, "stage": "desk.edit", "partition": 0, "records": 0, "undecided": 2, "answer": None}
    assert len(command.lines("review", "list")) == 2
    assert "as 'nobody'" in command("review", "list", "nobody", exits=1).stderr
