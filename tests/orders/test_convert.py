import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward_apps.orders.convert import Unfit, converter
from onward_apps.orders.model import Column


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("integer", "12", 12),
        ("integer", "-0", 0),
        ("integer", "+5.0656000000000000e+05", 506560),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("integer", "-9223372036854775808", -(2**63)),
        ("decimal(24,4)", "1.2500", "1.2500"),
        ("decimal(24,4)", "1.25", "1.2500"),
        ("decimal(24,4)", "7", "7.0000"),
        ("decimal(24,4)", "007.1", "7.1000"),
        ("decimal(24,4)", "+5.0656000000000000e+05", "506560.0000"),
        ("decimal(24,4)", "0.33335", "0.3334"),
        ("decimal(24,4)", "-0.33335", "-0.3334"),
        ("decimal(24,4)", "-0.0000", "0.0000"),
        ("decimal(24,4)", "-0.00001", "0.0000"),
        ("decimal(24,4)", ".5", "0.5000"),
        ("decimal(38,2)", "9" * 36 + ".99", "9" * 36 + ".99"),
        ("decimal(6,0)", "1e3", "1000"),
        ("float", "+5.0656000000000000e+05", 506560.0),
        ("float", "-0", 0.0),
        ("boolean", "1", 1),
        ("boolean", "False", 0),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "2024-02-29 00:00:00.000", "2024-02-29"),
        ("timestamp", "2024-02-29 10:11:12", "2024-02-29T10:11:12.000000Z"),
        ("timestamp", "2024-02-28 10:11:12.1", "2024-02-28T10:11:12.100000Z"),
        ("timestamp", "2024-02-28 10:11:12.123", "2024-02-28T10:11:12.123000Z"),
        ("timestamp", "2024-02-28T10:11:12.123456Z", "2024-02-28T10:11:12.123456Z"),
        ("timestamp", "2024-02-28 10:11:12.1234567", "2024-02-28T10:11:12.123456Z"),
        ("timestamp", "2024-02-28 10:11:12.1234567+02:00", "2024-02-28T08:11:12.123456Z"),
        ("timestamp", "2024-02-28", "2024-02-28T00:00:00.000000Z"),
        ("json", '{"b": 1.50, "a": [1, 2]}', '{"b":1.50,"a":[1,2]}'),
        ("text", " a ", " a "),
    ],
)
def test_every_spelling_becomes_the_canonical_one(type, text, value):
    convert = converter(Column("a", type))
    assert convert([text]) == [value] == convert([text, text])[1:]
    assert str(convert([text])[0]) == str(value)


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("integer", ""),
        ("integer", "1_000"),
        ("integer", " 1"),
        ("integer", "1\n2"),
        ("integer", "1.5"),
        ("integer", "9223372036854775808"),
        ("integer", "1e999"),
        ("integer", "١"),
        ("decimal(5,2)", "1000"),
        ("decimal(5,2)", "999.999"),
        ("decimal(5,2)", "nan"),
        ("decimal(5,2)", "1.00\n2.00"),
        ("float", "nan"),
        ("float", "inf"),
        ("float", "1e999"),
        ("float", "1\n"),
        ("boolean", "2"),
        ("date", "2023-02-29"),
        ("date", "2023-02-28 10:00:00"),
        ("timestamp", "2023-02-29 10:00:00"),
        ("timestamp", "20230228"),
        ("timestamp", "2023-02-28 24:00:00"),
        ("timestamp", "0000-01-01 00:00:00"),
        ("json", "{"),
    ],
)
def test_what_is_not_of_the_type_is_named(type, text):
    good = {"integer": "1", "decimal(5,2)": "1.00", "float": "1", "boolean": "1", "json": "1"}.get(type, "2024-01-01")
    with pytest.raises(Unfit) as caught:
        converter(Column("a", type))([good, text, good])
    assert caught.value.index == 1


@given(st.lists(st.decimals(-(10**12), 10**12, places=4), min_size=1))
def test_decimals_are_exact(numbers):
    texts = converter(Column("a", "decimal(24,4)"))([str(number) for number in numbers])
    assert [text.replace(".", "") for text in texts] == [
        str(int(number * 10_000)).zfill(5) if number >= 0 else "-" + str(-int(number * 10_000)).zfill(5)
        for number in numbers
    ]


@given(st.lists(st.datetimes(), min_size=1), st.sampled_from([" ", "T"]))
def test_timestamps_keep_their_microseconds(instants, between):
    texts = [instant.isoformat(between, "microseconds") for instant in instants]
    expected = [instant.isoformat("T", "microseconds") + "Z" for instant in instants]
    assert converter(Column("a", "timestamp"))(texts) == expected
