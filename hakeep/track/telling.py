"""What a room says: of one thing, and to the log. A room knows nothing of the line to the parent."""

from __future__ import annotations

import time
from collections.abc import Callable

from hakeep.track.standing import Board, Key, Standing
from hakeep.track.streak import Streak
from hakeep.worker import Log


class Teller:
    """`noticed` is called when there is something to tell."""

    def __init__(self, board: Board, log: Log, noticed: Callable[[], None]) -> None:
        self._board = board
        self.log = log
        self._noticed = noticed

    def begin(self, key: Key) -> Standing:
        """A thing is watched from now on, or watched anew: nothing is known of it."""
        return self._board.renew(key)

    def resume(self, key: Key, streak: Streak) -> Standing:
        """The same for what counts: it goes on from what is remembered of it, if there is anything."""
        return self._board.resume(key, streak)

    def count(self, standing: Standing, streak: Streak, success: bool, why: str) -> bool:
        """A thing that counts has got a result. True when that changed the judgement, which is told then."""
        changed = streak.count(success)
        standing.count = streak.result
        if changed:
            self.judge(standing, success, why)
        self._board.remember(standing, streak)
        return changed

    def judge(self, standing: Standing, well: bool | None, why: str, value: int = 0) -> None:
        """This is known of it now."""
        self._board.judge(standing, well, value, why, time.time())
        self._noticed()

    def counted(self) -> None:
        """A counter of a thing has changed; nobody is in a hurry to know."""
        self._board.counted()
        self._noticed()
