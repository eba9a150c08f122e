"""A declaration is checked as a whole: every fault at once, each with its file and line."""

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from onward import App, Database, Lifecycle, Record, Retry, Window
from onward.declaration import spec_of
from onward.errors import DeclarationError


class Cat(Struct, tag=True):
    name: str


class Dog(Struct, tag=True):
    name: str


class Settings(Struct):
    limit: int = 3


HERE = Path(__file__)
MARK = re.compile(r"# fault: (.+)$")


def faults(app: App) -> list[tuple[str, str]]:
    with pytest.raises(DeclarationError) as caught:
        app.check()
    for fault in caught.value.faults:
        assert fault.where in str(caught.value) and fault.what in str(caught.value)
    return [(fault.where, fault.what) for fault in caught.value.faults]


def marked(function: Any) -> list[tuple[str, str]]:
    """The faults that comments in a test promise, as `file:line` and a part of the text."""
    code = function.__code__
    lines = HERE.read_text().splitlines()
    found = []
    for number, line in enumerate(lines[code.co_firstlineno :], code.co_firstlineno + 1):
        if line.startswith("def "):
            break
        if match := MARK.search(line):
            found += [(f"{HERE}:{number}", part) for part in match[1].split(" & ")]
    return found


def agree(found: list[tuple[str, str]], promised: list[tuple[str, str]]) -> None:
    for where, part in promised:
        assert any(where == place and part in what for place, what in found), (where, part, found)
    assert [where for where, _ in found] == [where for where, _ in promised], found


def test_what_is_right_passes() -> None:
    app = App("cats")
    seen = app.topic("seen", Cat, key="name", partitions=4)
    dogs = app.topic("dogs", Dog)
    app.settings(Settings)

    @app.resource
    def agent(settings: Settings) -> Any:
        yield object()

    @app.source(to=seen, every="15m")
    def poll(cursor: int | None, agent: Any, once: bool, limit: int = 5) -> Any:
        yield Cat("")

    @app.stage(seen, to=[seen, dogs])
    def turn(cat: Record[Cat], agent: Any, settings: Settings, dry_run: bool) -> Dog | Cat | None: ...

    @app.stage(seen, batch=5)
    async def send(cats: list[Cat], progress: Any) -> None: ...

    @app.stage(seen, within=Database("sqlite:///x.db"), to=dogs)
    def keep(cat: object, tx: Any) -> Dog: ...

    app.check()
    assert [part.name for part in app] == ["cats.poll", "cats.turn", "cats.send", "cats.keep"]


def test_all_faults_are_told_at_once() -> None:
    app = App("cats")
    seen = app.topic("seen", Cat, key="nom")  # fault: key='nom' is no field of Cat; it has name
    app.topic("Bad-Name", Cat)  # fault: 'Bad-Name' is no name
    app.topic("few", Cat, partitions=0)  # fault: partitions=0
    app.topic("odd", Cat, keep="a while")  # fault: 'a while' is no duration
    dogs = app.topic("dogs", Dog)
    app.topic("dogs", Dog)  # fault: cats.dogs is already declared at

    @app.resource  # fault: in a circle: one -> two -> one
    def one(two: Any) -> Any:
        yield two

    @app.resource  # fault: nothing provides its parameter 'unheard'
    def two(one: Any, unheard: Any) -> Any:
        yield one

    @app.source(to=())  # fault: takes no cursor & has no topic
    def poll() -> Any: ...

    @app.source(to=dogs, every="often")  # fault: 'often' is no duration
    def poll_again(cursor: Any) -> Any: ...

    @app.stage(seen, to=dogs)  # fault: cats.poll is already declared & nothing provides its parameter 'agent'
    def poll(cat: Cat, agent: Any) -> Dog: ...  # noqa: F811

    @app.stage(dogs)  # fault: takes Cat, topic cats.dogs has Dog
    def wrong(cat: Cat) -> None: ...

    @app.stage(dogs, to=dogs)  # fault: gives Cat, which fits none of cats.dogs (Dog)
    def gives(dog: Dog) -> Cat | Dog: ...

    @app.stage(dogs)  # fault: gives Dog but has no to=
    def nowhere(dog: Dog) -> Dog: ...

    @app.stage(dogs)  # fault: takes no parameter
    def empty() -> None: ...

    @app.stage(dogs, batch=5)  # fault: its first parameter is a list
    def one_only(dog: Dog) -> None: ...

    @app.stage(dogs)  # fault: nothing provides its parameter 'tx'; declare @app.resource def tx; tx needs within=
    def no_database(dog: Dog, tx: Any) -> None: ...

    agree(faults(app), marked(test_all_faults_are_told_at_once))


def test_options_of_a_stage() -> None:
    app = App("cats")
    seen = app.topic("seen", Cat)
    target = Database("sqlite:///x.db")

    @app.stage(seen, batch=0)  # fault: batch=0; it is a whole number of at least 1 or None
    def a(cats: list[Cat]) -> None: ...

    @app.stage(seen, parallel=0, limit=0, parked_most=-1)  # fault: parallel=0 & limit=0 & parked_most=-1
    def b(cat: Cat) -> None: ...

    @app.stage(seen, retry=Retry(attempts=0))  # fault: retry=Retry(...) has attempts=0
    def c(cat: Cat) -> None: ...

    @app.stage(seen, retry=Retry(first="soon"))  # fault: 'soon' is no duration
    def d(cat: Cat) -> None: ...

    @app.stage(seen, on_dead="panic")  # type: ignore[arg-type] # fault: on_dead='panic'
    def e(cat: Cat) -> None: ...

    @app.stage(seen, start="last")  # type: ignore[arg-type] # fault: start='last'
    def f(cat: Cat) -> None: ...

    @app.stage(seen, within=target)  # fault: takes a plain def
    async def g(cat: Cat) -> None: ...

    @app.stage(seen, within=target, effect=True)  # fault: exclude each other
    def h(cat: Cat) -> None: ...

    @app.stage(seen, timeout="long")  # fault: 'long' is no duration
    def i(cat: Cat) -> None: ...

    @app.stage(seen, timeout="long", rate="fast", parallel=0)  # fault: timeout='long' & rate='fast' & parallel=0
    def j(cat: Cat) -> None: ...

    @app.stage(seen, batch=2, fill="slow")  # fault: fill='slow': 'slow' is no duration
    def k(cats: list[Cat]) -> None: ...

    @app.stage(seen, fill="1s")  # fault: say batch=, too
    def m(cat: Cat) -> None: ...

    @app.stage(seen, batch=2, split=True)  # fault: cannot be taken back
    def n(cats: list[Cat]) -> None: ...

    @app.stage(seen, idempotency="nom")  # fault: idempotency='nom' is no field of Cat; it has name
    def o(cat: Cat) -> None: ...

    @app.stage(seen, dedupe=Window("nom", "a day", most=0))  # fault: dedupe=Window(...) has most=0
    def q(cat: Cat) -> None: ...

    @app.stage(app.topic("spread", Cat, partitions=2), dedupe=Window("name", "1d"))  # fault: without a key
    def r(cat: Cat) -> None: ...

    @app.stage(seen, within=target, isolate=True)  # fault: isolate=True and within= exclude each other
    def s(cat: Cat) -> None: ...

    @app.stage(seen, batch=2, long=True)  # fault: long=True and batch= exclude each other
    def t(cats: list[Cat]) -> None: ...

    @app.stage(seen, within=target, long="6h")  # type: ignore[arg-type] # fault: long='6h'; it is True or False
    def u(cat: Cat) -> None: ...

    @app.stage(seen, within=target, long=True)  # fault: long=True and within=
    def v(cat: Cat) -> None: ...

    @app.stage(seen, dedupe=Window("nom", "a day"))  # fault: 'a day' is & dedupe='nom' is no
    def w(cat: Cat) -> None: ...

    @app.stage(seen, limit=0)  # fault: limit=0 & nothing provides its parameter 'agent'
    def x(cat: Cat, agent: Any) -> None: ...

    @app.stage(seen, name="x")  # fault: cats.x is already declared & nothing provides its parameter 'client'
    def y(cat: Cat, client: Any) -> None: ...

    app.rate("calls", "0/s")  # fault: rate cats.calls: '0/s' is no rate
    app.rate("Bad-Name", "1/s")  # fault: is no name

    @app.stage(seen, rate=App("dogs").rate("calls", "1/s"))  # fault: was made by another app
    def p(cat: Cat) -> None: ...

    agree(faults(app), marked(test_options_of_a_stage))


def test_the_app_has_a_name_and_settings_once() -> None:
    app = App("Cats and dogs")  # fault: 'Cats and dogs' is no name
    app.settings(Settings)
    app.settings(Settings)  # fault: declares its settings twice
    agree(faults(app), marked(test_the_app_has_a_name_and_settings_once))


def test_names() -> None:
    for name in ("a", "a-b_c9", "x" * 63):
        App(name).check()
    for name in ("", "A", "9a", "a.b", "a b", "x" * 64, "ä", "a\n"):
        with pytest.raises(DeclarationError):
            App(name).check()


def test_a_wider_type_is_taken() -> None:
    class Big(Cat):
        size: int = 0

    app = App("cats")
    big, both = app.topic("big", Big), app.topic("both", Cat | Dog)

    @app.stage(big)
    def a(cat: Cat) -> None: ...

    @app.stage(both)
    def b(pet: Cat | Dog) -> None: ...

    @app.stage(both)
    def c(pet: Any) -> None: ...

    @app.stage(both)
    def d(pet) -> None: ...

    app.check()

    @app.stage(both)
    def e(pet: Cat) -> None: ...

    ((where, what),) = faults(app)
    assert "takes Cat, topic cats.both has" in what and where.startswith(str(HERE))


def test_a_function_is_returned_as_it_was() -> None:
    app = App("cats")
    seen = app.topic("seen", Cat)

    def poll(cursor: Any) -> Any: ...
    def work(cat: Cat) -> None: ...
    def agent() -> Any: ...

    assert app.source(to=seen)(poll) is poll
    assert app.stage(seen)(work) is work
    assert app.resource(agent) is agent


def test_options_of_sources() -> None:
    app = App("sources")
    out = app.topic("out", dict)

    @app.source(to=out, every="0s", stall="soon")  # fault: every='0s' & stall='soon'
    def a(cursor: int) -> None: ...

    @app.source(to=out, every=("30s", "15s"), cron="0 8 * * *")  # fault: lower one & exclude each other
    def b(cursor: int) -> None: ...

    @app.source(to=out, cron="0 0 31 2 *", zone="Mars")  # fault: no time zone
    def c(cursor: int) -> None: ...

    @app.source(to=out, cron="0 0 31 2 *")  # fault: never comes
    def d(cursor: int) -> None: ...

    @app.source(to=out, zone="UTC", saved=3)  # fault: is for cron= & is no function
    def e(cursor: int) -> None: ...

    @app.source(to=out, saved=lambda: None)  # fault: takes no cursor
    def f(cursor: int) -> None: ...

    @app.source(to=out, saved=lambda cursor, client: None)  # fault: nothing provides its parameter 'client'
    def g(cursor: int) -> None: ...

    agree(faults(app), marked(test_options_of_sources))


def test_bounds() -> None:
    app = App("bounds")
    app.topic("a", dict, bound=10)
    app.topic("b", dict, bound="10MB")
    app.topic("c", dict, bound="10 records")  # fault: bound='10 records'
    app.topic("d", dict, bound=0)  # fault: lets something pass
    agree(faults(app), marked(test_bounds))


@pytest.mark.parametrize(
    "option",
    [
        {"key": ("a", "b")}, {"key": ["a"]}, {"key": 5}, {"partitions": 2.5}, {"partitions": "4"}, {"partitions": True},
    ],
)  # fmt: skip
def test_a_topic_with_an_option_of_the_wrong_kind(option: dict[str, Any]) -> None:
    app = App("kinds")
    app.topic("t", dict, **option)
    with pytest.raises(DeclarationError, match=f"topic kinds.t: {next(iter(option))}="):
        app.check()


@pytest.mark.parametrize(
    "option",
    [
        {"limit": "x"}, {"parallel": "2"}, {"batch": 2.5}, {"parked_most": "100"}, {"retry": 5}, {"to": "t"}, {"to": 5},
        {"within": 5}, {"dedupe": "k"}, {"idempotency": 5}, {"upgrade": 5}, {"retry": Retry(attempts="3")},
        {"retry": Retry(reject=5)}, {"retry": Retry(reject=[ValueError])}, {"isolate": 1}, {"timeout": []},
        {"effect": "no"}, {"split": 3}, {"unordered": "x"}, {"slows": None}, {"start": 5}, {"on_dead": []}, {"was": 5},
        {"within": Database(5)}, {"dedupe": Window(5, "1h")}, {"dedupe": Window("a", "1h", most="x")}, {"rate": 5},
        {"fill": [], "batch": 2},
    ],
)  # fmt: skip
def test_a_stage_with_an_option_of_the_wrong_kind(option: dict[str, Any]) -> None:
    app = App("kinds")
    topic = app.topic("t", dict)

    @app.stage(topic, **option)
    def work(value: dict) -> None: ...

    who = r"@app.stage\(TOPIC, ...\)" if "to" in option else "stage kinds.work"
    with pytest.raises(DeclarationError, match=f"{who}: {next(iter(option))}=") as caught:
        app.check()
    assert "test_check.py:" in str(caught.value)


def test_decorators_of_the_wrong_kind_and_without_parentheses() -> None:
    app = App("kinds")
    topic = app.topic("t", dict)
    app.table("k", dict, key=["k"], index="k")  # type: ignore[arg-type]

    @app.stage  # type: ignore[arg-type]
    def work(value: dict) -> None: ...

    @app.review(topic, choices=[True, False])  # type: ignore[list-item]
    def decided(value: dict, decision: object) -> None: ...

    @app.source(to=5)  # type: ignore[arg-type]
    def bring(cursor: int | None): ...

    with pytest.raises(DeclarationError) as caught:
        app.check()
    told = [fault.what for fault in caught.value.faults]
    assert sorted(what.partition("; ")[0].partition("<")[0] for what in told) == [
        "@app.review(TOPIC, ...): choices=[True, False]", "@app.source(to=TOPIC, ...): to=5",
        "@app.stage(TOPIC, ...): topic=", "table kinds.k: index='k'", "table kinds.k: key=['k']",
    ]  # fmt: skip
    assert not (app.stages or app.sources)


def test_whatever_is_declared_with_something_else_is_a_fault_with_its_line() -> None:
    app = App("kinds")
    topic = app.topic("t", dict)
    app.topic("u", 5)  # fault: topic kinds.u: type=5 cannot be read from JSON: Type '5' is not supported
    app.topic("later", list["Nowhere"])  # noqa: F821 # fault: topic kinds.later: type=list['Nowhere'] cannot be read
    app.topic(5)  # type: ignore[arg-type] # fault: 5 is no name
    app.topic("v", keep=[])  # type: ignore[arg-type] # fault: topic kinds.v: [] is no duration
    app.table("a", 5, key="k")  # fault: table kinds.a: type=5; it is a type that JSON can be read as
    app.table("b", key="k", lifecycle=Lifecycle({"x": 5}))  # type: ignore[dict-item] # fault: follow 'x' is 5; it is
    app.table("c", key="k", lifecycle=Lifecycle([1]))  # type: ignore[arg-type] # fault: Lifecycle([1]); it is a dict
    app.table("d", key="k", lifecycle=Lifecycle({1: "x"}, 3))  # type: ignore # fault: 1 is no state & first=3; it is
    app.settings(5)  # type: ignore[arg-type] # fault: app.settings(5); it is a settings class
    app.settings(str)  # fault: it is a settings class, a msgspec Struct or a dataclass
    app.task(5)  # fault: task 5 is no function
    app.resource(5)  # type: ignore[type-var] # fault: resource 5 is no function
    app.stage(topic)(5)  # type: ignore[type-var] # fault: stage 5 is no function
    app.source(to=topic)(5)  # type: ignore[type-var] # fault: source 5 is no function
    agree(faults(app), marked(test_whatever_is_declared_with_something_else_is_a_fault_with_its_line))


def test_what_could_not_be_read_back_reaches_no_store() -> None:
    app = App("kinds")
    app.topic("t", dict).was = 5  # type: ignore[assignment]
    with pytest.raises(DeclarationError, match="of the wrong kind"):
        spec_of(app)


def test_a_class_is_a_function_of_the_value() -> None:
    app = App("kinds")
    app.topic("t", int, key=str)
    app.check()
