"""Files in an object store -> tables with their history -> change notifications.

Reading order: `model` (what is declared), `find`, `parse` (with `read`, `layout`, `convert`), `merge` (with
`schema`, `statements`, `deliveries`), `announce`.
"""
