"""A life-cycle: the states that documents of a table may have, and which may follow which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Lifecycle:
    """The states of a table's documents: `Lifecycle({"draft": "review", "review": ["draft", "done"]})`.

    Where the type is a struct or dataclass with a field `state` the state stands there too, and a `put` with another
    one is a move; else it is kept beside the document. What is not allowed raises `MoveRefused`.

    `wrong` says what cannot be read as one; it then has no states.

    Args:
        moves: for each state the one or those that may follow it. A state that only follows is a last one.
        first: the state, or those, in which a document may begin; the first one of `moves` unless said.
    """

    def __init__(self, moves: Mapping[str, str | Sequence[str]], first: str | Sequence[str] | None = None) -> None:
        self.wrong = [*_wrong(moves, first)]
        self.moves = {} if self.wrong else {state: _listed(after) for state, after in moves.items()}
        for after in list(self.moves.values()):
            for state in after:
                self.moves.setdefault(state, ())
        self.first = _listed(first) if first is not None and not self.wrong else tuple(self.moves)[:1]

    def __repr__(self) -> str:
        return f"Lifecycle({self.moves!r}, first={self.first!r})"

    def allowed(self, state: str | None) -> tuple[str, ...]:
        """What may follow a `state`; None: where a document may begin."""
        return self.first if state is None else self.moves.get(state, ())


def _wrong(moves: Any, first: Any) -> Iterator[str]:
    if not isinstance(moves, Mapping):
        yield f"Lifecycle({moves!r}); it is a dict from each state to those that may follow it"
        return
    for state, after in moves.items():
        if not isinstance(state, str):
            yield f"Lifecycle: {state!r} is no state; it is a text"
        if not _states(after):
            yield f"Lifecycle: what may follow {state!r} is {after!r}; it is a text, or a list of such"
    if first is not None and not _states(first):
        yield f"Lifecycle: first={first!r}; it is a text, or a list of such"


def _states(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Sequence) and all(isinstance(one, str) for one in value))


def _listed(states: str | Sequence[str]) -> tuple[str, ...]:
    return (states,) if isinstance(states, str) else tuple(states)
