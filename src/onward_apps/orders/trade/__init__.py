"""Prices -> decisions -> orders -> a broker -> positions and a portfolio.

Reading order: `model` (what travels), `app` (the chain), then its verbs as a record meets them: `bars`, `decide` (with
`strategy`), `survey` (with `standing`, `market`, `size`), `book`, `place` (with `broker`, `wire`), `settle`, `look`,
`value` (with `returns`). `entities` declares the tables, `keep` writes them with the loader's machinery. `sandbox`
holds the stand-in for the broker.
"""
