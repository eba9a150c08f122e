"""CSV files of a folder become rows of a table: each file is one record, its rows are written all or not at all."""

import csv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
from msgspec import Struct

from onward import App, Checkpoint, Database
from onward.testing import TestRun


class Settings(Struct):
    folder: str = "data"
    target: str = "sqlite:///stock.db"


app = App("stock")
app.settings(Settings)
files = app.topic("files", str)
counts = app.topic("counts", dict)


@app.source(to=files, every="15s")
def find(cursor: list[str] | None, settings: Settings) -> Iterator[str | Checkpoint]:
    seen = cursor or []
    for path in sorted(Path(settings.folder).glob("*.csv")):
        if path.name not in seen:
            yield str(path)
            seen = [*seen, path.name]
            yield Checkpoint(seen)


@app.stage(files, to=counts, within=Database(lambda settings: settings.target))
def load(file: str, tx: apsw.Connection) -> dict[str, int]:
    rows = list(csv.reader(Path(file).read_text().splitlines()))
    tx.execute("CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, amount INTEGER)")
    tx.executemany("INSERT OR REPLACE INTO stock VALUES (?, ?)", rows)
    return {Path(file).name: len(rows)}


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        target = f"sqlite:///{folder}/stock.db"
        with TestRun(app, settings={"folder": folder, "target": target}) as run:
            for name, text in (("monday.csv", "nail,100\nscrew,40\n"), ("tuesday.csv", "screw,35\n")):
                Path(folder, name).write_text(text)
                run.poll(find)
                run.until_idle()
            print(*run.values(counts), sep="\n")
            print(*(record.origin for record in run.records(counts)))
        print(*apsw.Connection(f"{folder}/stock.db").execute("SELECT * FROM stock"), sep="\n")

# {'monday.csv': 2}
# {'tuesday.csv': 1}
# stock.files:0:0 stock.files:0:1
# ('nail', 100)
# ('screw', 35)
