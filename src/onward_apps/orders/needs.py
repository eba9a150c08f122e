"""What has to be delivered before a transaction file."""

from onward.connect.objects import Objects

from .deliveries import last_identity
from .model import File, Part
from .tables import Tables


def missing(tables: Tables, process: str, file: File, place: Objects) -> str | None:
    """The key of a load that this transaction file needs and that was not delivered; None: it may go.

    A load that is not there any more, or was replaced by one that was delivered, is not needed.
    """
    for need in file.needs:
        found = last_identity(tables, process, need.key)
        if found != need.identity and not _settled(need, found, place):
            return need.key
    return None


def _settled(need: Part, delivered: str | None, place: Objects) -> bool:
    if need.key.endswith("/LOAD"):  # a snapshot is no file
        return False
    folder = need.key.rpartition("/")[0]
    there = [each for each in place.list(f"{folder}/") if each.key == need.key]
    return not there or place.identity(there[0]) == delivered
