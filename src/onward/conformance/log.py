"""What a log must do. A log is what passes this suite.

    class TestMine(LogSuite):
        durable = True

        async def open(self, clock):
            self.url = new_empty_database()
            return await self.reopen(clock)

        async def reopen(self, clock):
            return MyLog(self.url, clock=clock), MyBooks(self.url, clock=clock)

Put that into a test file and run pytest. Each test has a store and an event loop of its own, takes a moment, and
needs no plugin. `open` is told the clock that the log must use; the handles are closed by the suite.
"""

from onward.conformance.ageing import Ageing
from onward.conformance.committing import Committing
from onward.conformance.declaring import Declaring
from onward.conformance.following import Following
from onward.conformance.leasing import Leasing
from onward.conformance.looking import Looking
from onward.conformance.operating import Operating
from onward.conformance.pausing import Pausing
from onward.conformance.reading import Reading
from onward.conformance.replaying import Replaying
from onward.conformance.sharing import Sharing
from onward.conformance.tables import Tables
from onward.conformance.tasks import Tasks

__all__ = ["LogSuite"]


class LogSuite(
    Declaring,
    Leasing,
    Committing,
    Sharing,
    Reading,
    Looking,
    Following,
    Ageing,
    Pausing,
    Operating,
    Tables,
    Tasks,
    Replaying,
):
    """Subclass it with `open`, and `reopen` where the log is `durable`.

    `durable` says whether a store can be opened by more than one handle, and again when all are closed; False unless
    said, and then tests that need it are skipped. `async open(clock)` gives the handles `(log, books)` on a new, empty
    store, `async reopen(clock)` further ones on the store that was opened last, as another process would have them.
    `clock` stands still until a test advances it.
    """
