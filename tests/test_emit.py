"""What handlers give becomes blocks: of the right topic, partition and key, with time and headers of the input."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from onward import Drop, Hold, Later, Position, Record, Reject, codec
from onward.codec import HEADERS, KEY, ORIGIN, TIME, VALUE, Codec, Entry
from onward.emit import BLOCK_BYTES, BLOCK_RECORDS, Emitted, Emitter, Yields
from onward.errors import BadOutput, RecordTooLarge
from onward.log import Append, Block
from onward.topic import Topic, partition_of
from onward.window import Chunk, chunk_of

NOW = "2025-06-15T15:06:40.000000Z"
PREFIX = "app.in:0:"


class Cat(Struct):
    name: str
    weight: int = 1


class Dog(Struct):
    name: str


class Kitten(Cat):
    pass


CATS = Topic("app.cats", Cat, key="name", partitions=4)
DOGS = Topic("app.dogs", Dog)
ANY = Topic("app.any", Any)
SMALL = Topic("app.small", Any, max_record=100)


def emitter(*topics: Topic[Any]) -> Emitter:
    return Emitter(topics, {topic.name: Codec(topic.type) for topic in topics})


def inputs(count: int) -> Chunk:
    """Records 10, 11, ... with keys k0, k1, ..., headers on every second."""
    rows = [(None, f"k{n}", NOW, {"n": str(n)} if n % 2 else None, n) for n in range(count)]
    return chunk_of([Block(10, count, codec.encode(rows), "")], 10, (), Codec(Any))


def emitted(of: Emitter, results: list[Any], indices: list[int] | None = None) -> Emitted:
    return of.emit(inputs(len(results)), range(len(results)) if indices is None else indices, results, PREFIX)


def entries(appends: list[Append]) -> list[tuple[str, int, Entry]]:
    found = []
    for append in appends:
        rows = Codec(Any).decode(append.entries)
        assert len(rows) == append.count
        assert append.keys == codec.key_summary([row[KEY] for row in rows])
        found += [(append.topic, append.partition, row) for row in rows]
    return found


def values(made: Emitted) -> list[Any]:
    return [row[VALUE] for _, _, row in entries(made.appends)]


def test_plain_values_keep_time_headers_and_origin_of_their_input() -> None:
    made = emitted(emitter(DOGS), [Dog("a"), Dog("b")])
    assert entries(made.appends) == [
        ("app.dogs", 0, ("app.in:0:10", "k0", NOW, None, {"name": "a"})),
        ("app.dogs", 0, ("app.in:0:11", "k1", NOW, {"n": "1"}, {"name": "b"})),
    ]
    assert (made.records, made.drops, made.refused, made.ended) == ({"app.dogs": 2}, [], [], [])
    assert [append.origins for append in made.appends] == [(10, 12)]


def test_some_of_the_inputs_give_something() -> None:
    chunk = inputs(5)
    made = emitter(DOGS).emit(chunk, [1, 4], [Dog("b"), Dog("e")], PREFIX)
    assert [row[ORIGIN] for _, _, row in entries(made.appends)] == ["app.in:0:11", "app.in:0:14"]
    assert [row[KEY] for _, _, row in entries(made.appends)] == ["k1", "k4"]


def test_nothing_gives_nothing() -> None:
    assert emitted(emitter(DOGS), []).appends == []
    assert emitted(emitter(DOGS), [None, None]).appends == []
    assert values(emitted(emitter(DOGS), [None, Dog("b"), None])) == [{"name": "b"}]


def test_the_key_is_the_topics_and_decides_the_partition() -> None:
    made = emitted(emitter(CATS), [Cat(name) for name in ("Tom", "Kit", "Tom", "Max")])
    found = entries(made.appends)
    assert {row[KEY]: partition for _, partition, row in found} == {
        name: partition_of(name, 4) for name in ("Tom", "Kit", "Max")
    }
    assert [row[ORIGIN] for _, _, row in found if row[KEY] == "Tom"] == ["app.in:0:10", "app.in:0:12"]


def test_records_without_a_key_take_turns() -> None:
    spread = Topic("app.spread", Dog, key=lambda dog: None, partitions=3)
    of = emitter(spread)
    partitions = [append.partition for _ in range(6) for append in emitted(of, [Dog("a"), Dog("b")]).appends]
    assert sorted(partitions) == [0, 0, 1, 1, 2, 2]


def test_a_value_goes_to_the_topic_of_its_exact_class() -> None:
    made = emitted(emitter(CATS, DOGS), [Dog("a"), Cat("b"), Dog("c")])
    assert [(topic, row[VALUE]["name"]) for topic, _, row in entries(made.appends)] == [
        ("app.dogs", "a"),
        ("app.dogs", "c"),
        ("app.cats", "b"),
    ]
    made = emitted(emitter(CATS, DOGS), [Kitten("k"), {"name": "x"}, Dog("d")])
    assert [index for index, _ in made.refused] == [0, 1]
    assert all(isinstance(error, BadOutput) for _, error in made.refused)
    assert values(made) == [{"name": "d"}]


def test_what_fits_no_class_goes_where_anything_may() -> None:
    made = emitted(emitter(CATS, ANY), [Cat("a"), 7, [1, 2], {"x": None}, "text"])
    assert [(topic, row[VALUE]) for topic, _, row in entries(made.appends)] == [
        ("app.cats", {"name": "a", "weight": 1}),
        ("app.any", 7),
        ("app.any", [1, 2]),
        ("app.any", {"x": None}),
        ("app.any", "text"),
    ]


def test_a_stage_without_topics_gives_nothing() -> None:
    ((index, error),) = emitted(emitter(), [None, Dog("a")]).refused
    assert index == 1 and "has no to=" in str(error)


def test_many_values_in_their_order() -> None:
    made = emitted(emitter(CATS, DOGS), [Yields([Dog("a"), None, Cat("b"), Dog("c")]), Yields(), Dog("d")])
    assert [row[VALUE]["name"] for topic, _, row in entries(made.appends) if topic == "app.dogs"] == ["a", "c", "d"]
    assert made.records == {"app.dogs": 3, "app.cats": 1}


def test_outcomes() -> None:
    dropped = Yields([Dog("kept")])
    dropped.end = Drop("enough")
    later = Yields([Dog("lost")])
    later.end = Later("1s")
    made = emitted(emitter(DOGS), [Drop("no"), dropped, later, Hold("ask"), Reject("bad"), Dog("a")])
    assert values(made) == [{"name": "kept"}, {"name": "a"}]
    assert made.drops == [(0, "no"), (1, "enough")]
    assert [append.origins for append in made.appends] == [(11, 16)]
    assert made.ended == [(2, Later("1s")), (3, Hold("ask")), (4, Reject("bad"))]


def test_an_outgoing_record_says_what_it_wants() -> None:
    time = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    made = emitted(
        emitter(DOGS, CATS),
        [
            DOGS.record(Dog("a")),
            DOGS.record(Dog("b"), key=7, headers={"x": "y"}, time=time),
            DOGS.record(Dog("c"), None, {}),
        ],
    )
    assert [row[KEY : HEADERS + 1] for _, _, row in entries(made.appends)] == [
        ("k0", NOW, None),
        ("7", "2020-01-02T03:04:05.000000Z", {"x": "y"}),
        (None, NOW, None),
    ]


@pytest.mark.parametrize(
    "out",
    [
        ANY.record(1),
        DOGS.record(Cat("a")),  # type: ignore[arg-type]
        DOGS.record(Dog("a"), key=object()),
        DOGS.record(Dog("a"), time="yesterday"),
        DOGS.record(Dog("a"), headers={"n": 1}),  # type: ignore[dict-item]
        DOGS.record(Dog("a"), headers={1: "n"}),  # type: ignore[dict-item]
        Dog("lone \udcff surrogate"),
        Dog(object()),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_written_is_refused_alone(out: Any) -> None:
    made = emitted(emitter(DOGS), [Dog("a"), out, Dog("b")])
    assert [index for index, _ in made.refused] == [1]
    assert values(made) == [{"name": "a"}, {"name": "b"}]
    assert made.records == {"app.dogs": 2}


def test_a_record_passes_on_with_all_it_has() -> None:
    time = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    record = Record("own", Dog("a"), {"x": "y"}, time, Position("app.in", 0, 10), None, 1, "id")
    made = emitted(emitter(DOGS), [record])
    assert entries(made.appends) == [
        ("app.dogs", 0, ("app.in:0:10", "own", "2020-01-02T03:04:05.000000Z", {"x": "y"}, {"name": "a"}))
    ]


def test_a_record_that_is_too_large_is_refused_by_its_key() -> None:
    made = emitted(emitter(SMALL), ["x", "y" * 200, "z"])
    ((index, error),) = made.refused
    assert index == 1 and isinstance(error, RecordTooLarge) and "'k1'" in str(error)
    assert values(made) == ["x", "z"]


def test_one_of_many_that_cannot_be_written_refuses_all_of_its_input() -> None:
    made = emitted(emitter(DOGS), [Yields([Dog("a"), Cat("no")]), Dog("b")])
    assert [index for index, _ in made.refused] == [0]
    assert values(made) == [{"name": "b"}]


def test_large_units_become_several_blocks() -> None:
    made = emitted(emitter(ANY), list(range(2 * BLOCK_RECORDS + 1)))
    assert [append.count for append in made.appends] == [BLOCK_RECORDS, BLOCK_RECORDS, 1]
    assert values(made) == list(range(2 * BLOCK_RECORDS + 1))
    made = emitted(emitter(ANY), ["x" * 300_000] * 7)
    assert all(len(append.entries) <= BLOCK_BYTES for append in made.appends)
    assert len(values(made)) == 7


def test_a_batch_as_a_whole_has_its_range_as_origin() -> None:
    chunk = inputs(3)
    made = emitter(DOGS, CATS).whole(chunk, [Dog("a"), Cat("b")], PREFIX)
    assert {row[ORIGIN] for _, _, row in entries(made.appends)} == {"app.in:0:10-12"}
    made = emitter(DOGS).whole(chunk.part([1]), [Dog("a")], PREFIX)
    assert [row[ORIGIN] for _, _, row in entries(made.appends)] == ["app.in:0:11"]


def test_records_from_outside() -> None:
    of = emitter(CATS, DOGS)
    records = [of.encoded(value, NOW) for value in (Cat("a"), Dog("b"), CATS.record(Cat("c"), key=None), Cat("a", 2))]
    appends = of.pack(records)
    found = entries(appends)
    assert sorted((topic, row[KEY], row[ORIGIN], row[TIME]) for topic, _, row in found if row[KEY]) == [
        ("app.cats", "a", None, NOW),
        ("app.cats", "a", None, NOW),
    ]
    assert [row[VALUE]["weight"] for _, _, row in found if row[KEY] == "a"] == [1, 2]
    with pytest.raises(BadOutput):
        of.encoded({"name": "no class"}, NOW)
    with pytest.raises(BadOutput):
        of.encoded(Dog(object()), NOW)  # type: ignore[arg-type]
    with pytest.raises(RecordTooLarge):
        emitter(SMALL).encoded("x" * 200, NOW)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 400_000)), max_size=8))
def test_each_key_keeps_its_order_in_its_partition(given_: list[tuple[str, int]]) -> None:
    topic = Topic("app.t", Any, key=lambda value: value[0], partitions=3, max_record="1MB")
    of = emitter(topic)
    sent = [[key, n, "x" * size] for n, (key, size) in enumerate(given_)]
    for appends in (emitted(of, sent).appends, of.pack([of.encoded(value, NOW) for value in sent])):
        found = entries(appends)
        assert sorted(row[VALUE][1] for _, _, row in found) == list(range(len(sent)))
        for key in "abcde":
            mine = [(partition, row[VALUE][1]) for _, partition, row in found if row[KEY] == key]
            assert [n for _, n in mine] == sorted(n for _, n in mine)
            assert {partition for partition, _ in mine} <= {partition_of(key, 3)}
        assert all(append.count == 1 or len(append.entries) <= BLOCK_BYTES + 2 for append in appends)


class Weighed(Struct):
    name: str
    weight: float | None


@pytest.mark.parametrize("yielded", [False, True])
def test_a_number_that_json_cannot_say_fails_its_record_alone(yielded: bool) -> None:
    topic: Topic[Any] = Topic("app.weighed", Weighed, key="name")
    of = emitter(topic)
    given = [Weighed("a", 1.0), Weighed("b", float("nan")), Weighed("c", None)]
    results: list[Any] = [Yields([of.kept(value)]) for value in given] if yielded else given
    made = emitted(of, results)
    assert [value["name"] for value in values(made)] == ["a", "c"]
    [(index, error)] = made.refused
    assert index == 1 and "app.weighed has nan at weight" in str(error)
    with pytest.raises(BadOutput, match="nan at weight"):
        of.encoded(given[1], NOW)
