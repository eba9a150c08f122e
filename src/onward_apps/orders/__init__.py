"""Files in an object store -> tables with their history -> change notifications.

    app = loader("prices", [Entity("price", {"id": "integer", "euros": "decimal(10,2)"}, key="id")])

Reading order: `model` (what is declared), `loader` (the wiring), `find` (with `listing`, `filename`, `snapshot`),
`parse` (with `read`, `layout`, `plain`, `convert`, `transactions`), `merge` (with `needs`, `reconcile`, `statements`,
`deliveries`, `stopwatch`), `tables` (the port to a target; `targets` has a module for each kind), `announce`, `notify`;
then `commands` (with `settings`, `place`, `turn`, `report`, `dryrun`, `metrics`), and what describes: `diagram`,
`specification`, `profile`.
"""

from .loader import loader
from .model import Column, Entity

__all__ = ["Column", "Entity", "loader"]
