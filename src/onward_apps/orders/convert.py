"""Text of a CSV column -> canonical values, a whole column at a time.

Every type has a fast way for a column that is canonical already (one regular expression over the joined
column), and a slow one, value by value, that accepts all spellings and finds the bad value.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any

import msgspec

from .model import Column

Convert = Callable[[Sequence[str]], list[Any]]

DAY = (
    r"(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_WIDE = Context(prec=100)
_TRUTH = {"1": 1, "0": 0, "true": 1, "false": 0, "t": 1, "f": 0, "yes": 1, "no": 0, "y": 1, "n": 0}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


class Unfit(ValueError):
    """Value `index` of the column is not of its type."""

    def __init__(self, index: int, what: str) -> None:
        self.index, self.what = index, what
        super().__init__(what)


def converter(column: Column) -> Convert:
    """The function that turns the texts of this column, none of them null, into what is stored and hashed.

    Raises (the function): Unfit.
    """
    one, all_at_once = _WAYS[column.type](column)

    def convert(values: Sequence[str]) -> list[Any]:
        done = all_at_once(values)
        return _each(values, one, column) if done is None else done

    return convert


def _each(values: Sequence[str], one: Callable[[str], Any], column: Column) -> list[Any]:
    result = []
    for index, value in enumerate(values):
        try:
            result.append(one(value))
        except (ValueError, ArithmeticError, DecimalException, msgspec.DecodeError) as error:
            shown = value.replace("\x00", "") if len(value) <= 40 else f"{value[:40]}..."
            reason = f" ({error})" if isinstance(error, OverflowError) else ""
            raise Unfit(index, f"{shown!r} is not {_CALLED[column.type]}{reason}") from None
    return result


def _whole(pattern: str) -> Callable[[Sequence[str]], bool]:
    fullmatch = re.compile(rf"(?:{pattern}\n)*+").fullmatch

    def every(values: Sequence[str]) -> bool:
        joined = "\n".join(values) + "\n"
        # A value may hold a line break itself, and must not pass as two good ones.
        return joined.count("\n") == len(values) and fullmatch(joined) is not None

    return every


def _number(value: str) -> Decimal:
    if not _NUMBER.fullmatch(value):
        raise ValueError
    return Decimal(value)


def _text(column: Column) -> tuple[Callable, Callable]:
    return str, list


def _integer(column: Column) -> tuple[Callable, Callable]:
    plain = _whole("[+-]?[0-9]{1,18}")

    def one(value: str) -> int:
        number = _number(value)
        if number.copy_abs() >= 2**64:
            raise OverflowError("beyond 64 bits")
        if number != number.to_integral_value():
            raise ValueError
        if not -(2**63) <= number < 2**63:
            raise OverflowError("beyond 64 bits")
        return int(number)

    return one, lambda values: list(map(int, values)) if plain(values) else None


def _decimal(column: Column) -> tuple[Callable, Callable]:
    scale, digits = column.scale, column.precision - column.scale
    fraction = rf"\.[0-9]{{{scale}}}" if scale else ""
    plain = _whole(rf"-?+(?:0|[1-9][0-9]{{0,{digits - 1}}}+){fraction}")
    short = _whole(rf"(?:0|[1-9][0-9]{{0,{digits - 1}}}+)(?:\.[0-9]{{1,{scale}}})?") if scale else None
    zeros = "0" * scale
    unit, most = Decimal(1).scaleb(-scale), Decimal(10) ** digits
    minus_zero = "-" + format(Decimal(0).quantize(unit), "f")

    def one(value: str) -> str:
        number = _number(value)
        if number.copy_abs() >= most:
            raise OverflowError(f"more than {digits} digits before the point")
        number = number.quantize(unit, ROUND_HALF_UP, _WIDE)
        if number.copy_abs() >= most:
            raise OverflowError(f"more than {digits} digits before the point")
        return format(number if number else number.copy_abs(), "f")

    def every(values: Sequence[str]) -> list[str] | None:
        if plain(values):
            return None if minus_zero in values else list(values)
        if not (short and short(values)):
            return None
        parts = [value.partition(".") for value in values]
        return [f"{whole}.{(part + zeros)[:scale]}" for whole, _, part in parts]

    return one, every


def _float(column: Column) -> tuple[Callable, Callable]:
    plain = _whole(r"[0-9+\-.eE]*+")

    def one(value: str) -> float:
        number = float(_number(value))
        if not math.isfinite(number):
            raise OverflowError("beyond a 64-bit float")
        return number + 0.0

    def every(values: Sequence[str]) -> list[float] | None:
        if not plain(values):
            return None
        try:
            numbers = [float(value) + 0.0 for value in values]
        except ValueError:
            return None
        return numbers if all(map(math.isfinite, numbers)) else None

    return one, every


def _boolean(column: Column) -> tuple[Callable, Callable]:
    def one(value: str) -> int:
        if (truth := _TRUTH.get(value.lower())) is None:
            raise ValueError
        return truth

    def every(values: Sequence[str]) -> list[int] | None:
        return list(map(_TRUTH.__getitem__, values)) if _TRUTH.keys() >= set(values) else None

    return one, every


def _date(column: Column) -> tuple[Callable, Callable]:
    plain = _whole(DAY)

    def one(value: str) -> str:
        if len(value) < 10 or value[4] != "-" or value[7] != "-":
            raise ValueError
        when = datetime.fromisoformat(value)
        if when.tzinfo or when.time() != datetime.min.time():
            raise ValueError
        return date.isoformat(when)

    return one, lambda values: list(values) if plain(values) else None


def _timestamp(column: Column) -> tuple[Callable, Callable]:
    fractions = ["", *(f"\\.[0-9]{{{digits}}}" for digits in range(1, 8))]
    plain = {_width(digits): _whole(f"{DAY}[ T]{TIME}{text}") for digits, text in enumerate(fractions)}
    tails = {_width(digits): ("" if digits else ".") + "0" * (6 - digits) + "Z" for digits in range(7)}

    def one(value: str) -> str:
        if len(value) < 10 or value[4] != "-" or value[7] != "-" or value[10:11] not in ("", " ", "T"):
            raise ValueError
        when = datetime.fromisoformat(value)
        if when.tzinfo:
            when = when.astimezone(UTC)
        return f"{when.replace(tzinfo=None).isoformat('T', 'microseconds')}Z"

    def every(values: Sequence[str]) -> list[str] | None:
        if values[0].endswith("Z"):
            if not all(value.endswith("Z") for value in values):
                return None
            values = [value[:-1] for value in values]
        width = len(values[0])
        if width not in plain or not plain[width](values):
            return None
        if width == _width(7):  # SQL Server writes seven digits of a second; six are kept
            values, width = [value[:-1] for value in values], width - 1
        return f"{tails[width]}\n".join([*values, ""]).replace(" ", "T").split("\n")[:-1]

    return one, every


def _width(digits: int) -> int:
    return len("2000-01-01 00:00:00") + (digits + 1 if digits else 0)


def _json(column: Column) -> tuple[Callable, Callable]:
    return lambda value: msgspec.json.format(value, indent=-1), lambda values: None


_WAYS: dict[str, Callable[[Column], tuple[Callable, Callable]]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "json": _json,
}
_CALLED = {
    "text": "text",
    "integer": "an integer of 64 bits",
    "decimal": "a decimal number that fits",
    "float": "a finite number",
    "boolean": "a boolean",
    "date": "a date",
    "timestamp": "a timestamp",
    "json": "JSON",
}
