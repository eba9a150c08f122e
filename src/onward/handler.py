"""What a handler function takes and gives, read from its signature once."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from onward.outcome import OUTCOMES
from onward.record import Outgoing, Record

GIVEN = frozenset(["tx", "progress", "dry_run", "approved", "once"])
"""Parameters that Onward provides by name; all others are resources or, by annotation, the settings."""

ITERATORS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


class Handler:
    """A function and how to call it: `first` says what its first parameter is, `needs` what else it wants."""

    def __init__(self, function: Callable[..., Any], *, has_value: bool = True) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.where = place(function)
        inner = inspect.unwrap(function)
        self.is_async = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
        self.is_generator = inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)
        self.hints = hints_of(inner)
        parameters = list(inspect.signature(function).parameters.values())
        self.takes_any = any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters)
        self.first = parameters[0] if has_value and parameters else None
        self.needs: dict[str, inspect.Parameter] = {
            parameter.name: parameter
            for parameter in parameters[1 if has_value else 0 :]
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }

    @property
    def value_type(self) -> Any:
        """The annotation of the first parameter, without `list[...]` of a batch and `Record[...]`; or Any."""
        hint = self._first_hint
        if typing.get_origin(hint) in (list, collections.abc.Sequence):
            arguments = typing.get_args(hint)
            inner = arguments[0] if arguments else Any
            hint = inner if _is_record(inner) or self._batched else hint
        if _is_record(hint):
            arguments = typing.get_args(hint)
            return arguments[0] if arguments else Any
        return hint

    _batched = False

    def batched(self) -> Handler:
        """The same handler, its first parameter being a list of records or values."""
        self._batched = True
        return self

    @property
    def wants_record(self) -> bool:
        """Whether the first parameter is `Record[T]` (or, in a batch, a list of them)."""
        hint = self._first_hint
        if isinstance(hint, str):
            return hint.removeprefix("list[").split("[")[0].split(".")[-1].strip("]") == "Record"
        if typing.get_origin(hint) in (list, collections.abc.Sequence):
            arguments = typing.get_args(hint)
            hint = arguments[0] if arguments else Any
        return _is_record(hint)

    @property
    def takes_list(self) -> bool:
        """Whether the first parameter is annotated as a list."""
        hint = self._first_hint
        return hint is list or typing.get_origin(hint) in (list, collections.abc.Sequence)

    @property
    def gives(self) -> list[Any] | None:
        """The classes of values that the return annotation names, without None, records and outcomes.

        None where there is no annotation, or where it says nothing.
        """
        hint = self.hints.get("return", inspect.Parameter.empty)
        if hint is inspect.Parameter.empty or isinstance(hint, str):
            return None
        members = _members(hint, into=(list, *ITERATORS) if self._batched or self.is_generator else ITERATORS)
        if any(member is Any or isinstance(member, typing.TypeVar) for member in members):
            return None
        return [member for member in members if not _says_nothing(member)]

    @property
    def _first_hint(self) -> Any:
        if self.first is None:
            return Any
        hint = self.hints.get(self.first.name, Any)
        return Any if hint is inspect.Parameter.empty else hint


def place(function: Callable[..., Any]) -> str:
    """`file:line` of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function as types, as text where a name in one cannot be found."""
    target = function.func if isinstance(function, functools.partial) else function
    cells = getattr(target, "__closure__", None) or ()
    names = getattr(getattr(target, "__code__", None), "co_freevars", ())
    local = {name: cell.cell_contents for name, cell in zip(names, cells, strict=False) if _filled(cell)}
    try:
        return typing.get_type_hints(target, localns=local)
    except Exception:
        return {name: _evaluated(target, hint, local) for name, hint in getattr(target, "__annotations__", {}).items()}


def _evaluated(function: Any, hint: Any, local: dict[str, Any]) -> Any:
    if not isinstance(hint, str):
        return hint
    try:
        return eval(hint, getattr(function, "__globals__", {}), local)
    except Exception:
        return hint


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
        return True
    except ValueError:
        return False


def _is_record(hint: Any) -> bool:
    plain = typing.get_origin(hint) or hint
    return isinstance(plain, type) and issubclass(plain, Record)


def _members(hint: Any, into: tuple[Any, ...]) -> list[Any]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return [inner for member in typing.get_args(hint) for inner in _members(member, into)]
    if origin in into:
        arguments = typing.get_args(hint)
        return _members(arguments[0], into) if arguments else [Any]
    return [hint]


def _says_nothing(member: Any) -> bool:
    plain = typing.get_origin(member) or member
    if plain is None or plain is type(None) or plain is typing.NoReturn:
        return True
    return isinstance(plain, type) and issubclass(plain, (*OUTCOMES, Outgoing, Record))
