"""The merge against a model of it: dictionaries, row by row."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from onward_apps.orders.model import Entity

from .target import Targets

ROW = Entity("row", {"id": "integer", "a": "text", "b": "integer"}, key="id", remove_absent=True)

rows = st.tuples(st.integers(1, 4), st.sampled_from([None, "", "x"]), st.sampled_from([None, 0, 1]))
loads = st.tuples(st.just("LOAD"), st.booleans(), st.lists(st.tuples(st.just("L"), rows), max_size=6))
changes = st.tuples(st.just("CDC"), st.just(False), st.lists(st.tuples(st.sampled_from("IUD"), rows), max_size=10))


class Model:
    """What section by section of the rules says, one row after another."""

    def __init__(self) -> None:
        self.state: dict[int, tuple] = {}
        self.removed: set[int] = set()
        self.log: list[tuple] = []
        self.ignored = 0

    def deliver(self, delivery: int, whole: bool, steps: list[tuple]) -> None:
        self.ignored = 0
        held = bool(self.log)
        for op, row in steps:
            self.step(delivery, op, row)
        if whole and held:
            seen = {row[0] for _, row in steps}
            for key, old in sorted(self.state.items(), key=lambda item: item[1][1]):
                if key not in seen:
                    self.event(delivery, "REMOVE", (key, None, None), old)

    def step(self, delivery: int, op: str, row: tuple) -> None:
        old = self.state.get(row[0])
        if op == "D":
            if old:
                self.event(delivery, "REMOVE", (row[0], None, None), old)
            else:
                self.ignored += 1
        elif not old:
            self.event(delivery, "RECREATE" if row[0] in self.removed else "CREATE", row, None)
        elif old[0] != row:
            self.event(delivery, "AMEND", row, old)
        elif op != "L":
            self.event(delivery, "POINTLESS_AMEND", row, old)

    def event(self, delivery: int, event: str, row: tuple, old: tuple | None) -> None:
        number = len(self.log) + 1
        mask = "".join("01"[a != b] for a, b in zip(row, old[0], strict=True)) if old else "111"
        mask = "111" if event == "REMOVE" else mask
        before = (*old[0], old[1], old[2]) if old else (None,) * 5
        self.log.append((event, *row, number, delivery, *before, mask))
        if event == "REMOVE":
            del self.state[row[0]]
            self.removed.add(row[0])
        else:
            self.state[row[0]] = (row, number, delivery)


def text(kind: str, steps: list[tuple]) -> str:
    def field(value: object) -> str:
        return "" if value is None else '""' if value == "" else str(value)

    return "".join(
        ",".join(([op] if kind == "CDC" else []) + [field(value) for value in row]) + "\n" for op, row in steps
    )


def check(targets: Targets, files: list[tuple]) -> None:
    model = Model()
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder)) as target:
        for number, (kind, whole, steps) in enumerate(files, 1):
            logged = len(model.log)
            model.deliver(number, whole, steps)
            name = f"LOAD{number:08X}.csv" if kind == "LOAD" else f"20250301-{number:09}.csv"
            delivery = target.deliver(text(kind, steps), ROW, name=name, whole=whole)
            events = [event[0] for event in model.log[logged:]]
            assert {e: n for e, n in delivery.events.items() if n} == {e: events.count(e) for e in events}
            assert sum(delivery.ignored.values()) == model.ignored
            assert delivery.max_event_id == len(model.log)
            state = target.rows('SELECT id, a, b, event_id, delivery_id FROM "row"')
            assert {row[0]: (row[:3], row[3], row[4]) for row in state} == model.state
        if files:
            log = target.rows(
                "SELECT event_type, curr_id, curr_a, curr_b, event_id, delivery_id, prev_id, prev_a, prev_b,"
                " prev_event_id, prev_delivery_id, mask FROM row_event_log ORDER BY event_id"
            )
            assert log == model.log


@settings(deadline=None, max_examples=150)
@given(files=st.lists(loads | changes, max_size=6))
def test_state_log_and_counts_are_those_of_the_model(files):
    check(Targets(), files)


@settings(deadline=None, max_examples=40)
@given(files=st.lists(loads | changes, max_size=6))
def test_state_log_and_counts_are_those_of_the_model_in_postgresql(postgres_targets, files):
    check(postgres_targets, files)
