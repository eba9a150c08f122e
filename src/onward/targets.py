"""The databases that stages of one worker commit in (`within=`): each is opened once, when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from onward.errors import Refused
from onward.sqlite.connection import path_of
from onward.within import Target


class Targets:
    """Opens by `target`, in a thread; `store` is the URL of the worker's own store, empty where it has none."""

    def __init__(self, target: Callable[[str], Target], store: str) -> None:
        self._open = target
        self._store = store
        self._targets: dict[str, Target] = {}
        self._opening = asyncio.Lock()

    async def get(self, stage: str, url: str) -> Target:
        """The target of a stage; all that name one URL share it.

        Raises:
            Refused: it is of a kind that there is not, or the store itself.
        """
        async with self._opening:
            if url not in self._targets:
                self._check(stage, url)
                self._targets[url] = await asyncio.to_thread(self._open, url)
            return self._targets[url]

    def close(self) -> None:
        for target in self._targets.values():
            target.close()

    def _check(self, stage: str, url: str) -> None:
        if not url.startswith("sqlite:"):
            raise Refused(f"stage {stage}: within= takes sqlite:/// URLs, not {url.split(':')[0]}:")
        if self._store.startswith("sqlite:") and path_of(self._store) == path_of(url):
            raise Refused(
                f"stage {stage}: within= names the store's own file, whose writer would wait for the stage for "
                "ever; name another file"
            )
