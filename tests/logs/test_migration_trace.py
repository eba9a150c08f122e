"""A store of the first version gets what tracing needs from what its blocks say."""

from __future__ import annotations

import apsw

from onward.sql import Statements

MIGRATIONS = Statements("sqlite").migrations
BLOCK = 'INSERT INTO block (topic, partition, "offset", count, written, nonce, size, entries) VALUES (?,?,?,?,?,?,?,?)'
NOW = "2025-01-01T00:00:00.000000Z"


def test_blocks_of_the_first_version_can_be_followed() -> None:
    store = apsw.Connection(":memory:")
    store.execute(MIGRATIONS[0])
    declared = '{"name":"s","stages":[{"name":"s.bill","topic":"s.in-a","to":["s.out"]}]}'
    store.execute("INSERT INTO app VALUES ('s', ?, ?)", (declared, NOW))
    store.execute(BLOCK, ("s.in-a", 2, 5, 1, NOW, "n", 20, '[[null,"k","t",null,1]]'))
    store.execute(
        BLOCK, ("s.out", 0, 0, 2, NOW, "n", 20, '[["s.in-a:2:5","k","t",null,1],["s.in-a:2:9","k","t",null,1]]')
    )
    store.execute(BLOCK, ("s.out", 0, 2, 1, NOW, "n", 20, '[["s.in-a:1:7-30","k","t",null,1]]'))
    store.execute(BLOCK, ("s.out", 0, 3, 1, NOW, "n", 20, '[["s.other:1:7","k","t",null,1]]'))
    for migration in MIGRATIONS[1:]:
        store.execute(migration)
    made = store.execute("SELECT topic, maker, origin_partition, origin_first, origin_end FROM block").fetchall()
    assert made == [
        ("s.in-a", None, None, None, None),
        ("s.out", "s.bill", 2, 5, 10),
        ("s.out", "s.bill", 1, 7, 31),
        ("s.out", None, None, None, None),
    ]
    assert store.execute("SELECT * FROM retained").fetchall() == [("s.in-a", 2, 5, 5)]
