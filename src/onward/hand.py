"""What a lane has in hand: what was read, what is parked, and what of both is at work."""

from __future__ import annotations

from onward.call import Unit
from onward.parking import Parking
from onward.window import Window


class Hand:
    """Of one stage and partition; the parts of a lane share it, and change it on the event loop only."""

    def __init__(self, window: Window, parking: Parking) -> None:
        self.window = window
        self.parking = parking
        self.units: set[Unit] = set()
        self.keys: set[str] = set()
        """Keys that are at work; another lane of the same stage and partition may share them."""
        self.flying: set[int] = set()
        """Parked records that are being tried; -1 among them while requests are carried out."""
        self.running: set[int] = set()
        """Records whose call is noted in the store."""
        self.singly = 0
        """So many records are handed out one by one."""
        self.record_size = 0
        """Bytes of the largest records so far."""
        self.lost = False
        """The lease is lost, or grace is over: nothing of it is committed any more."""
        self.stuck = False
        """A call hangs."""
