"""Files in an object store -> tables with their history -> change notifications.

    app = loader("prices", [Entity("price", {"id": "integer", "euros": "decimal(10,2)"}, key="id")])

Reading order: `model` (what is declared), `loader` (the wiring), `find` (with `listing`, `filename`, `snapshot`),
`parse` (with `read`, `layout`, `convert`, `transactions`), `merge` (with `needs`, `reconcile`, `schema`, `statements`,
`deliveries`), `announce`, `notify`; then `commands` (with `settings`, `place`, `report`, `dryrun`), and what describes:
`diagram`, `specification`, `profile`.
"""

from .loader import loader
from .model import Column, Entity

__all__ = ["Column", "Entity", "loader"]
