import itertools

from onward_apps.orders.stopwatch import Stopwatch

from .target import Target

ROW = "1,a,1.00,2025-01-01\n"


def test_it_adds_up_blocks_and_waits_and_nothing_between():
    watch = Stopwatch(itertools.count().__next__)
    with watch:
        pass
    assert watch.seconds == 1
    assert list(watch.timed("ab")) == ["a", "b"]
    assert watch.seconds == 4  # two items, and that there is no third


def test_the_phases_of_a_delivery_are_its_time(target: Target):
    target.timer = itertools.count().__next__
    first = target.deliver(ROW)
    again = target.deliver(ROW, name="again")
    changes = target.deliver(f"D,{ROW}I,{ROW}", name="cdc")
    for delivery in (first, again, changes):
        assert list(delivery.phases) == ["fetch", "parse", "diff", "persist"]
        assert sum(delivery.phases.values()) == delivery.seconds
    assert all(seconds > 0 for seconds in changes.phases.values())
