"""Files of a replicated database in a bucket or folder -> tables with their history -> change messages.

The source finds files in the order in which they must be delivered. Each file is one record, keyed by its table,
so a file that cannot be read stops its own table and no other. One file is one transaction of the target: state,
event log, the row in `loader_deliveries` and the delivery that is told on are kept whole or not at all.
"""

from __future__ import annotations

from pathlib import Path

from . import flights, sample
from .loader import loader

app = loader("orders", (*sample.ENTITIES, *flights.ENTITIES))


@app.demo
def demo(folder: Path) -> dict[str, str]:
    """Sample files in the sizes of a real day and, where it is installed, a public data set."""
    data = folder / "data"
    if not (data / "dbo").exists():
        sample.make_sample(data)
    if not (data / "nyc").exists():
        flights.make_flights(data)
    return {"source": str(data), "target": f"sqlite:///{(folder / 'target.db').absolute()}"}
