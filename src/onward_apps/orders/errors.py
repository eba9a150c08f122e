"""What can be wrong with a file, each saying what to do next."""

from collections.abc import Sequence


class FileError(Exception):
    """A file cannot be delivered."""


class BadRow(FileError):
    """A file holds what its entity does not allow; nothing of the file is merged.

    Attributes:
        file: key of the file.
        line: physical line, from 1, on which the row starts; 0 if the file as a whole is meant.
        column: name of the column, or empty.
        what: what is wrong, with an excerpt of the value.
    """

    def __init__(self, file: str, line: int, column: str, what: str) -> None:
        self.file, self.line, self.column, self.what = file, line, column, what
        place = file + (f", line {line}" if line else "") + (f", column {column}" if column else "")
        super().__init__(f"{place}: {what}; correct the file or the entity's declaration, then deliver it again")

    def __reduce__(self) -> tuple[object, ...]:
        return BadRow, (self.file, self.line, self.column, self.what)


class FileChanged(FileError):
    """A file vanished, or was replaced, after it was found. The next listing finds what is there now."""

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(f"{file}: not the file that was found; it comes again with the next listing")

    def __reduce__(self) -> tuple[object, ...]:
        return FileChanged, (self.file,)


class SchemaDiffers(Exception):
    """The table of an entity has other columns than the entity declares."""

    def __init__(self, entity: str, found: list[str], wanted: list[str]) -> None:
        self.entity, self.found, self.wanted = entity, found, wanted
        super().__init__(
            f"table {entity} has the columns {', '.join(found)}, the entity declares {', '.join(wanted)};"
            " declare the entity under another name, or alter the table and its event log"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return SchemaDiffers, (self.entity, self.found, self.wanted)


class MassRemoval(FileError):
    """A delivery would remove more of a table than it may without a person's word. Nothing of it is merged."""

    def __init__(self, file: str, entity: str, removed: int, before: int, most: float, sample: Sequence[tuple]) -> None:
        self.file, self.entity, self.removed, self.before, self.sample = file, entity, removed, before, sample
        self.most = most
        keys = ", ".join("/".join(map(str, key)) for key in sample)
        super().__init__(
            f"{file} would remove {removed} of {before} rows of {entity}"
            f" (more than {most:.0%}), as {keys}{', ...' if removed > len(sample) else ''};"
            " `onward parked retry` lets it, `onward parked drop` leaves it out"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return MassRemoval, (self.file, self.entity, self.removed, self.before, self.most, self.sample)
