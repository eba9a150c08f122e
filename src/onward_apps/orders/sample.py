"""Sample files as a replicator leaves them: three full loads in the sizes of a real day, then changes."""

import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice, product
from pathlib import Path

from .model import Entity

PORTFOLIOS = Entity(
    "entity_3",
    {
        "portfolio_id": "integer",
        "portfolio_name": "text",
        "account_id": "text",
        "strategy_id": "integer",
        "total_notional": "decimal(24,4)",
        "rtn": "decimal(24,4)",
        "leverage": "float",
        "active": "boolean",
        "opened": "date",
        "settings": "json",
        "portfolio_ts": "timestamp",
    },
    key=["portfolio_id"],
    table="dbo.entity_3",
    rank=0,
)
ORDERS = Entity(
    "entity_1",
    {
        "portfolio_id": "integer",
        "asset_id": "text",
        "order_ts": "timestamp",
        "side": "integer",
        "asset_id_type": "text",
        "target_wgt": "decimal(10,4)",
        "real_wgt": "decimal(10,4)",
        "quantity": "decimal(24,4)",
        "notional": "decimal(24,4)",
        "note": "text",
    },
    key=["portfolio_id", "asset_id", "order_ts"],
    table="dbo.entity_1",
    rank=1,
)
FILLS = Entity(
    "entity_2",
    {
        "fill_id": "integer",
        "portfolio_id": "integer",
        "asset_id": "text",
        "side": "integer",
        "price": "decimal(24,8)",
        "quantity": "decimal(24,4)",
        "venue": "text",
        "transaction_time": "timestamp",
    },
    key=["fill_id"],
    table="dbo.entity_2",
    rank=2,
)
ENTITIES = (PORTFOLIOS, ORDERS, FILLS)
ROWS = {"entity_3": 90, "entity_1": 159_967, "entity_2": 1_494_975}

_NOTES = ("", "", "", "", '""', "rebalance", '"close, then reverse"', '"said ""as soon as possible"""')
_DAYS = [f"2022-{month:02}-{day:02}" for month in range(4, 10) for day in range(1, 22)]


def make_sample(folder: Path, *, rows: dict[str, int] | None = None, seed: int = 1) -> list[Path]:
    """Write the sample below `folder` as `dbo/<table>/<file>`; the same seed gives the same bytes.

    Args:
        rows: rows of the full load per entity, ROWS unless said; the changes are about a hundredth of the
            orders and all kinds of them, rows changed several times in one file included.

    Returns:
        The files written, the loads first.
    """
    rows = ROWS | (rows or {})
    pick = random.Random(seed)
    made: dict[Entity, Iterable[str]] = {
        PORTFOLIOS: _portfolios(rows["entity_3"], pick),
        ORDERS: _orders(rows["entity_1"], pick),
        FILLS: _fills(rows["entity_2"], pick),
    }
    files = []
    orders: list[str] = []
    for entity, lines in made.items():
        if entity is ORDERS:
            lines = orders = list(lines)
        files.append(write(folder / entity.folder / "LOAD00000001.csv.gz", lines))
    changes = list(_changes(orders, pick))
    for number, start in enumerate(range(0, len(changes), 250)):
        name = f"20220923-0958{number:02}123.csv.gz"
        files.append(write(folder / ORDERS.folder / name, changes[start : start + 250]))
    portfolio = '7,"Fund 7, growth",{},3,+5.0656000000000000e+05,0.0125,1.5,1,2022-04-01,{{}},2022-09-23 10:00:00'
    late = ["U," + portfolio.format("acc07") + "\n", "D," + portfolio.format("acc07") + "\n"]
    files.append(write(folder / PORTFOLIOS.folder / "20220923-100000456.csv.gz", late))
    return files


def write(path: Path, lines: Iterable[str]) -> Path:
    """Write text lines, gzipped, in such a way that a listing sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    lines = iter(lines)
    with part.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as stream:
        while piece := "".join(islice(lines, 20_000)):
            stream.write(piece.encode())
    return part.rename(path)


def _decimals(pick: random.Random, most: int, scale: int, count: int = 9_973) -> list[str]:
    return [f"{pick.randrange(most)}.{pick.randrange(10**scale):0{scale}}" for _ in range(count)]


def _assets(pick: random.Random) -> list[str]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return ["".join(pick.choices(letters, k=pick.randint(2, 5))) for _ in range(601)]


def _times(digits: Sequence[str]) -> Iterator[str]:
    """Ascending instants of trading days, one a second, with the fractions given."""
    hours = [f"{9 + s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(23_400)]
    return map("%s %s.%s".__mod__, ((day, hour, d) for (day, hour), d in zip(product(_DAYS, hours), cycle(digits))))


def _portfolios(count: int, pick: random.Random) -> Iterator[str]:
    for number in range(1, count + 1):
        account = f"{pick.getrandbits(256):064x}"
        total = f"{pick.randrange(10**7)}.{pick.randrange(10**4):04}"
        yield (
            f'{number},"Fund {number}, growth",{account},{number % 7 + 1},{total},0.0{number % 10}00,'
            f"{pick.random() * 2:.6f},{number % 2},2022-04-{number % 21 + 1:02},"
            f'"{{""rebalance"": {number % 5}}}",2022-09-21 16:00:00.{number:07}\n'
        )


def _orders(count: int, pick: random.Random) -> Iterator[str]:
    assets, quantities = _assets(pick), _decimals(pick, 5_000, 4)
    weights, notionals = _decimals(pick, 1, 4, 7_919), _decimals(pick, 900_000, 4, 8_191)
    fields = zip(
        cycle([str(pick.randint(1, 90)) for _ in range(4_093)]),
        cycle(assets),
        _times([f"{pick.randrange(10**7):07}" for _ in range(997)]),
        cycle(["1", "-1", "1"]),
        cycle(["STOCK_TICKER", "STOCK_TICKER", "CRYPTO_TICKER"]),
        cycle(weights),
        cycle(["", *weights[:50]]),
        cycle(quantities),
        cycle(notionals),
        cycle(_NOTES),
        strict=False,
    )
    return islice(map("%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n".__mod__, fields), count)


def _fills(count: int, pick: random.Random) -> Iterator[str]:
    fields = zip(
        range(1, count + 1),
        cycle([str(pick.randint(1, 90)) for _ in range(4_093)]),
        cycle(_assets(pick)),
        cycle(["1", "-1", "1"]),
        cycle(_decimals(pick, 900, 8)),
        cycle(_decimals(pick, 500, 4, 7_919)),
        cycle(["", "XNAS", "XNYS", '"ARCA, dark"']),
        _times([f"{pick.randrange(10**6):06}" for _ in range(997)]),
        strict=False,
    )
    return map("%s,%s,%s,%s,%s,%s,%s,%s\n".__mod__, fields)


def _changes(loaded: list[str], pick: random.Random) -> Iterator[str]:
    """Changes of orders: new, amended, pointless, removed, and all of it on one row."""
    for number, row in enumerate(pick.sample(loaded, len(loaded) // 200)):
        key, rest = row.split(",", 3)[:3], row.split(",", 3)[3]
        other = ",".join(key) + ",0" + rest[rest.index(",") :]
        new = ",".join([key[0], key[1], "2022-09-23" + key[2][10:]]) + "," + rest
        yield pick.choice([f"U,{other}", f"U,{row}", f"D,{row}", f"I,{new}", f"I,{new}U,{new}"])
        if number % 20 == 0:
            yield f"U,{other}U,{row}D,{row}I,{other}"
