"""What would be delivered: the true merge, in a transaction that is rolled back."""

import logging
from collections.abc import Callable, Sequence

from onward.connect.objects import Objects

from .errors import BadRow, FileChanged, MassRemoval, SchemaDiffers
from .find import find
from .listing import Once
from .merge import merge
from .model import Entity, File
from .needs import missing
from .place import Target
from .tables import Tables, tables_of


class DryRun:
    """Passes over all files that the target does not have; what was told once is not told again.

    Nothing is written: no ids are used, and a target that is not there is not made. While a pass runs, others
    wait with what they would write to the target. `would` is called for each file that would be delivered.
    """

    def __init__(
        self,
        name: str,
        entities: Sequence[Entity],
        place: Objects,
        target: Target,
        log: logging.Logger,
        *,
        schema: str,
        transactions: str = "",
        would: Callable[[], object] | None = None,
    ) -> None:
        self._name, self._entities, self._place, self._target = name, entities, place, target
        self._log, self._schema, self._transactions = log, schema, transactions
        self._would = would
        self._by_name = {entity.name: entity for entity in entities}
        self._told: set[tuple[str, str]] = set()
        self._warn = Once(log.warning)

    def look(self) -> None:
        """One pass: in the order of delivery, each file on top of those before it."""
        files = [
            file for file, _ in find(self._place, self._entities, None, self._warn, transactions=self._transactions)
        ]
        if all((file.key, file.identity) in self._told for file in files):
            return
        with self._target.rolled_back() as tx:
            self._merge_all(files, tables_of(tx, self._schema))

    def _merge_all(self, files: Sequence[File], tables: Tables) -> None:
        stopped: set[str] = set()
        seen = events = 0
        for file in files:
            if file.table in stopped:
                self._tell(logging.WARNING, file, f"{file.key} would wait: {file.table} is stopped.")
                continue
            if load := missing(tables, self._name, file, self._place):
                stopped.add(file.table)
                self._tell(logging.WARNING, file, f"{file.key} would wait for {load}.")
                continue
            try:
                with tables.savepoint():
                    counted = self._merge(file, tables)
            except FileChanged as error:
                self._tell(logging.WARNING, file, str(error))
            except MassRemoval as error:
                stopped.add(file.table)
                self._tell(logging.WARNING, file, f"would wait for a person: {error}")
            except (BadRow, SchemaDiffers) as error:
                stopped.add(file.table)
                self._tell(logging.ERROR, file, f"would stop {file.table}: {error}")
            else:
                seen += counted is not None
                events += counted or 0
        self._log.info("Dry run: %d files would make %d events; nothing was written.", seen, events)

    def _merge(self, file: File, tables: Tables) -> int | None:
        new = (file.key, file.identity) not in self._told
        lines: list[str] = []
        delivery = merge(
            file,
            self._entities if file.kind == "TXN" else self._by_name[file.entity],
            tables,
            process=self._name,
            open_=lambda file: self._place.read(file.key, file.identity),
            say=lambda delivery_id, text: lines.append(text),
        )
        self._told.add((file.key, file.identity))
        if delivery.repeated:
            return None
        if new and self._would is not None:
            self._would()
        if new:
            for text in [*lines, f"would persist {delivery.summary}."]:
                self._log.info("Dry run %s: %s", delivery.delivery_id, text)
        return sum(delivery.events.values())

    def _tell(self, level: int, file: File, text: str) -> None:
        if (file.key, file.identity) not in self._told:
            self._told.add((file.key, file.identity))
            self._log.log(level, "Dry run: %s", text)
