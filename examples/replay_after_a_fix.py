"""The tax was wrong. `onward replay STAGE --from ...` gives the stage its kept records once more, as a numbered job,
here first as a dry run; what it emits comes behind what is there. Live work goes on beside it."""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from msgspec import Struct

import onward
from onward import App


class Settings(Struct):
    percent: int = 0


class Sale(Struct):
    item: str
    cents: int


app = App("till")
app.settings(Settings)
sales = app.topic("sales", Sale, key="item")
taxes = app.topic("taxes", Sale, key="item")


@app.stage(sales, to=taxes)
def tax(sale: Sale, settings: Settings) -> Sale:
    return Sale(sale.item, sale.cents * settings.percent // 100)


def command(*words: str, percent: int) -> None:
    said = {"ONWARD_STORE": store, "ONWARD_LOG": "error", "ONWARD_USER": "ann", "TILL_PERCENT": str(percent)}
    subprocess.run([sys.executable, "-m", "onward", *words], env={**os.environ, **said}, check=True)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/till.db"
        with onward.open(app, store) as client:
            client.put(sales, Sale("tea", 250), Sale("jam", 320), Sale("pen", 90))
        command("run", __file__, "--once", percent=0)
        command("replay", "tax", "--from", "1", "--dry-run", "--app", __file__, percent=20)
        command("replay", "tax", "--from", "1", percent=20)
        command("run", __file__, "--once", percent=20)
        command("read", "taxes", percent=20)

# Stages would do:
# stage       records  done  withheld  dropped  outstanding  retrying  dead  waiting  running  behind  emitted
# till.tax          0     0         0        0            0         0     0        0        0       0  -
# till.tax~1        2     2         0        0            0         0     0        0        0       0  2 into till.taxes
# replay 1 of till.tax: 2 records; a worker that runs it carries it out
# till.taxes:0:0  ...  tea  {"item":"tea","cents":0}
# till.taxes:0:1  ...  jam  {"item":"jam","cents":0}
# till.taxes:0:2  ...  pen  {"item":"pen","cents":0}
# till.taxes:0:3  ...  jam  {"item":"jam","cents":64}
# till.taxes:0:4  ...  pen  {"item":"pen","cents":18}
