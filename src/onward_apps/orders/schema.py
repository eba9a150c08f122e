"""The tables in the target, made when they are first needed."""

import apsw

from .errors import SchemaDiffers
from .model import Entity
from .statements import Statements, statement


def ensure_ours(tx: apsw.Connection) -> None:
    """Make what is missing of the loader's own tables."""
    tx.execute(statement("loader_sequence"))
    tx.execute(statement("loader_deliveries"))


def ensure(tx: apsw.Connection, entity: Entity) -> None:
    """Make what is missing of the entity's tables, within the open transaction.

    Raises:
        SchemaDiffers: the entity's tables are there with other columns; they are left as they are.
    """
    statements = Statements(entity)
    found = [row[0] for row in tx.execute("SELECT name FROM pragma_table_info(?)", (entity.name,))]
    wanted = [*entity.names, "hash", "event_id", "delivery_id"]
    if found == wanted:
        return
    if found:
        raise SchemaDiffers(entity.name, found, wanted)
    tx.execute(statements.create_state())
    tx.execute(statements.create_key())
    tx.execute(statements.create_log())
    tx.execute(statements.create_removed())
