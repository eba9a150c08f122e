"""`onward doctor` and `onward config`: what counts, where it comes from, and what to mend."""

from __future__ import annotations

from .conftest import SHOP, Command, until

PROGRAM = """
from msgspec import Struct
from onward import App, Secret

class Settings(Struct):
    token: Secret
    many: int = 1

app = App("small")
app.settings(Settings)
topic = app.topic("topic", int, partitions={partitions})

@app.resource
def agent(settings: Settings):
    {opens}
    yield 1
    print("closed")

@app.stage(topic)
def use(value: int, agent: int) -> None: ...
"""


def _small(command: Command, opens: str = "pass", partitions: int = 1) -> str:
    (command.folder / "small.py").write_text(PROGRAM.format(opens=opens, partitions=partitions))
    return "small.py"


def _states(command: Command, *arguments: str, **more: object) -> dict[str, tuple[str, str]]:
    document = command.document("doctor", *arguments, **more)
    return {finding["name"]: (finding["state"], finding["told"]) for finding in document["findings"]}


def test_all_is_well(command: Command) -> None:
    small = _small(command)
    found = _states(command, small, SMALL_TOKEN="secret")
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["small: resource agent"] == ("ok", "opens")
    assert "not there yet" in found["store"][1] and not (command.folder / "onward.db").exists()


def test_what_is_wrong_is_all_told(command: Command) -> None:
    command("put", "topic", "--app", _small(command), said="1\n", SMALL_TOKEN="secret")
    small = _small(command, opens="raise OSError('nobody answers, not even secret')", partitions=2)
    found = _states(command, small, "nowhere.py", SHOP, exits=1, SMALL_TOKEN="secret")
    assert (
        found["small: declaration"][0] == "failed"
        and "1 partitions in the store and 2" in found["small: declaration"][1]
    )
    state, told = found["small: resource agent"]
    assert state == "failed" and "nobody answers" in told and "secret" not in told
    assert found["app nowhere.py"][0] == "failed"
    assert found["shop: settings"][0] == "ok"
    found = _states(command, small, exits=1)
    assert "SMALL_TOKEN" in found["small: settings"][1]


def test_a_store_that_is_none(command: Command) -> None:
    (command.folder / "onward.db").write_text("a text " * 200)
    found = _states(command, SHOP, exits=1)
    assert found["store"][0] == "failed" and "no SQLite database" in found["store"][1]
    assert found["shop: settings"][0] == "ok"


def test_a_stage_that_is_tripped(command: Command) -> None:
    command("run", SHOP, "--once")
    program = "from onward import App, Unavailable\napp = App('away')\nt = app.topic('t', int)\n"
    program += "@app.stage(t)\ndef use(value: int):\n    raise Unavailable('gone')\n"
    (command.folder / "away.py").write_text(program)
    command("put", "t", "--app", "away.py", said="1\n")
    process = command.start("run", "away.py")
    until(lambda: command.stage("away.use")["state"].startswith("tripped"))
    found = _states(command, "away.py", exits=1)
    assert found["workers"] == ("ok", "1 at work")
    assert found["away.use:0"] == ("failed", "tripped: gone")
    process.terminate()


def test_config_says_where_each_value_comes_from(command: Command) -> None:
    (command.folder / "onward.toml").write_text('store = "sqlite:///mine.db"\n[apps.small]\nmany = 3\n')
    small = _small(command)
    document = command.document("config", small, SMALL_TOKEN="top secret", ONWARD_USER="ann")
    assert document["settings"][0] == {"field": "store", "value": "sqlite:///mine.db", "origin": "onward.toml"}
    assert document["settings"][1] == {"field": "user", "value": "ann", "origin": "environment ONWARD_USER"}
    assert document["apps"]["small"] == [
        {"field": "token", "value": "***", "origin": "environment SMALL_TOKEN"},
        {"field": "many", "value": 3, "origin": "onward.toml [apps.small]"},
    ]
    told = command("config", small, "--set", "many=x", ONWARD_LOG="loud")
    assert "small.many" in told.stdout and "failed: --set" in told.stdout
    assert "ONWARD_LOG is 'loud'" in told.stderr and "small" in told.stderr and "SMALL_TOKEN" in told.stderr
    # A table in onward.toml of an app that is not among these is nobody's business here.
    assert "orders.source" in command("config").stdout


def test_a_resource_is_asked_by_its_doctor(command: Command) -> None:
    for said, state, told in (
        ("return 'three of secret are here'", "ok", "three of *** are here"),
        ("raise Unavailable('secret is away')", "failed", "*** is away"),
        ("raise ValueError('odd, secret')", "failed", "odd, ***"),
    ):
        for kind in ("def", "async def"):
            (command.folder / "small.py").write_text(
                f"from onward import Unavailable\nclass Agent:\n    {kind} doctor(self):\n        {said}\n"
                + PROGRAM.format(opens="pass", partitions=1).replace("yield 1", "yield Agent()")
            )
            found = _states(command, "small.py", SMALL_TOKEN="secret", exits=state == "failed")
            assert found["small: resource agent"][0] == state and told in found["small: resource agent"][1]
