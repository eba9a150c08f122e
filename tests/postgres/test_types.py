"""What travels to the server comes back the same."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from onward.postgres.connection import Database, rows
from onward.postgres.types import Text, escaped, unescaped
from onward.units import instant, instant_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\0~\ufffe\\"))


@given(TEXTS)
@example("\0")
@example("\ufffe~0")
@example("~0~1")
def test_a_text_is_stored_without_nul_and_comes_back(text: str) -> None:
    assert "\0" not in escaped(text)
    assert unescaped(escaped(text)) == text


@given(TEXTS, TEXTS)
def test_two_texts_are_stored_as_the_same_if_they_are_the_same(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


def test_values_come_back_from_a_server(postgres: str) -> None:
    connection = Database(postgres).connect()

    @settings(max_examples=60, deadline=None)
    @given(TEXTS, st.lists(TEXTS, max_size=3), st.integers(-(2**62), 2**62), st.integers(0, 4 * 10**15), st.booleans())
    def same(text: str, texts: list[str], number: int, micros: int, yes: bool) -> None:
        at = instant_text(micros / 1_000_000)
        given_ = {"text": text, "texts": texts, "number": number, "at": at, "yes": yes, "bytes": Text(text.encode())}
        found = rows(
            connection,
            "SELECT %(text)s::text, %(texts)s::text[], %(number)s::bigint, %(at)s::timestamptz, %(yes)s::boolean,"
            " convert_to(%(raw)s, 'UTF8'), '{\"a\": 1}'::jsonb, '[1]'::json",
            **{**given_, "raw": Text(text.replace("\0", "").encode())},
        )
        expected = (text, texts, number, instant(at), yes, text.replace("\0", "").encode(), '{"a": 1}', "[1]")
        assert found == [expected]

    same()
    connection.close()
