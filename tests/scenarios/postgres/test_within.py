from collections.abc import Iterator

import pytest

from scenarios import test_within as embedded
from scenarios.ground import Ground
from scenarios.targets import PostgresPlace
from scenarios.test_within import (  # noqa: F401
    test_a_failing_record_takes_back_only_its_own_changes,
    test_a_handler_that_ends_the_transaction_is_told_so,
    test_a_replay_has_a_place_of_its_own_there,
    test_a_target_that_was_deleted_is_noticed,
    test_an_outcome_that_parks_takes_back_its_changes,
    test_later_again_and_again_beside_others,
    test_retried_by_hand_again_and_again,
    test_started_again_while_a_key_is_parked,
)
from scenarios.test_within_postgres import (
    test_a_deadlock_between_two_partitions_costs_no_attempt as deadlock,
)


@pytest.fixture
def own(ground: Ground) -> Iterator[PostgresPlace]:
    """The database that the store is in, as one to commit within."""
    made = PostgresPlace(ground.url)
    yield made
    made.sql("DROP TABLE IF EXISTS effect, shared, onward_cursor, onward_ledger")


def test_the_stores_own_database_can_be_committed_within(ground: Ground, own: PostgresPlace) -> None:
    own.sql(own.effects)
    bad = embedded.Bad({13})
    app = embedded.program(own, bad)
    ground.put(app, app.topics["ship.in"], *embedded.records(100))
    report = ground.run(app)
    assert (report.died, report.troubles) == (1, [])
    bad.clear()
    ground.ask("ship.load", "retry")
    ground.run(app)
    ground.run(app)
    expected = embedded.per_key(range(100))
    assert embedded.effects(own) == embedded.outputs(ground, app) == expected
    ground.recount(empty=True)


def test_a_deadlock_in_the_stores_own_database_costs_no_attempt(ground: Ground, own: PostgresPlace) -> None:
    own.sql(own.effects)
    deadlock(ground, own)
    own.sql(f'ALTER DATABASE "{own.url.rpartition("/")[2]}" RESET deadlock_timeout')
