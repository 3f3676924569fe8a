"""What waits to be sent: bounded, in order, tried again with growing pauses. It does no I/O and asks no clock.

Two kinds of trouble are told apart. If nobody can be reached, all wait: one attempt now and then finds out whether
that is over. If the other side takes no more than this one letter badly, this one waits, and with it those about the
same object, so that nobody hears of an older state last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from typing import Any

from hakeep.vrrp.messages import Level

NEVER = float("inf")

#: Pauses between attempts grow from the first to the last, in seconds.
FIRST_PAUSE, LAST_PAUSE = 2.0, 3600.0

#: Something new is not kept waiting for longer than this, in seconds.
FRESH_PAUSE = 30.0

#: Seconds after which a letter is of no use to anybody.
OLDEST = 86400.0


class Outcome(Enum):
    """How an attempt ended."""

    SENT = "sent"
    REFUSED = "refused"  # for good: nobody will ever take it
    LATER = "later"  # this one is not taken now
    UNREACHABLE = "unreachable"  # nobody is there who could take any


@dataclass(eq=False)
class Letter:
    """One thing to be sent. `title` is for the log, `at` is when it was written (monotonic), `due` when it may go.
    `number` says after which others it was put in."""

    about: Hashable
    title: str
    content: dict[str, Any]
    at: float
    due: float = 0.0
    tries: int = 0
    number: int = 0


class Outbox:
    """`what` is in the log's sentences, such as "mail". `most` letters wait. `newest_only`: of those about one object
    only the newest is kept, and one that could not be sent goes to the end."""

    def __init__(
        self, what: str, log: Callable[[int, str], None], most: int = 100, *, newest_only: bool = False
    ) -> None:
        self.what = what
        self.log = log
        self.on_the_way: Letter | None = None
        self.trouble = ""  # why nothing goes out at present
        self._most = most
        self._newest_only = newest_only
        self._waiting = Waiting()
        self._open_at = 0.0  # nothing goes out before
        self._last_try = -NEVER
        self._failures = 0
        self._dropped = 0
        self._complaint = ""  # why the last one was refused, or put off

    def __len__(self) -> int:
        return len(self._waiting) + (self.on_the_way is not None)

    @property
    def oldest_at(self) -> float | None:
        """When the oldest that is not sent yet was written, None when there is none."""
        found = [letter.at for letter in (self.on_the_way, self._waiting.oldest()) if letter is not None]
        return min(found, default=None)

    @property
    def dropped(self) -> int:
        """How many had to make room since something was sent last."""
        return self._dropped

    @property
    def last_error(self) -> str:
        """Why the last one was not sent, "" once one was."""
        return self.trouble or (f"the last one {self._complaint}" if self._complaint else "")

    def put(self, letter: Letter) -> None:
        """Have it sent. One that does not fit makes room for itself at the expense of the oldest."""
        if self._newest_only:
            self._waiting.forget(letter.about)
        self._waiting.append(letter)
        self._open_at = min(self._open_at, max(letter.at, self._last_try + FRESH_PAUSE))
        self.shrink(self._most)

    def shrink(self, most: int) -> None:
        """From now on so many wait at most; 0: nothing is sent any more."""
        self._most = most
        if not most:
            self._waiting = Waiting()
        while len(self._waiting) > most:
            oldest = self._waiting.drop_oldest()
            if not self._dropped:
                self.log(Level.WARNING, f"{self.what}: more than {most} wait, the oldest is dropped: {oldest.title}")
            self._dropped += 1

    def due_at(self) -> float:
        """When `take` has something, NEVER if there is nothing or something is on the way."""
        return NEVER if self.on_the_way is not None else max(self._open_at, self._waiting.due_at())

    def take(self, now: float) -> Letter | None:
        """The next letter to be sent, if one is due. Tell what came of it with `settle`."""
        if now < self.due_at():
            return None
        letter = self.on_the_way = self._waiting.take()
        self._last_try = now
        letter.tries += 1
        return letter

    def settle(self, now: float, outcome: Outcome, why: str = "") -> None:
        """What came of the letter that was on the way."""
        letter, self.on_the_way = self.on_the_way, None
        if letter is None:
            return
        if outcome is Outcome.UNREACHABLE:
            self._shut(now, why)
        else:
            self._reopen()
        if outcome is Outcome.SENT:
            self._complaint = ""
        elif outcome is Outcome.REFUSED:
            self._complain(Level.ERROR, letter, f"is refused: {why}")
        else:
            if outcome is Outcome.LATER:
                letter.due = now + _pause(letter.tries)
                self._complain(Level.WARNING, letter, f"is not taken now, trying again: {why}")
            self._put_back(now, letter)

    def _put_back(self, now: float, letter: Letter) -> None:
        if now - letter.at > OLDEST:
            self.log(Level.ERROR, f"{self.what}: given up after a day: {letter.title}")
        elif not self._newest_only:
            self._waiting.put_back(letter)
        elif letter.about not in self._waiting:
            self._waiting.append(letter)
        self.shrink(self._most)

    def _shut(self, now: float, why: str) -> None:
        self._failures += 1
        self._open_at = now + _pause(self._failures)
        if why != self.trouble:
            self.log(Level.WARNING, f"{self.what} cannot be sent, trying again: {why}")
        self.trouble = why

    def _reopen(self) -> None:
        self._open_at, self._failures = 0.0, 0
        if self.trouble:
            lost = f"; {self._dropped} were dropped meanwhile" if self._dropped else ""
            self.log(Level.NOTICE, f"{self.what} can be sent again{lost}")
            self.trouble = ""
        self._dropped = 0

    def _complain(self, level: Level, letter: Letter, text: str) -> None:
        """Say it, unless that was what was said last."""
        if text != self._complaint:
            self._complaint = text
            self.log(level, f"{self.what} '{letter.title}' {text}")


class Waiting:
    """Letters in a line for each object; only the first of each can go. What comes first, and what is oldest, is found
    at once however many wait: thousands of objects may change state in one moment."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[Letter]] = {}
        self._by_due: list[tuple[float, int, Hashable]] = []  # heaps of first letters, with some that no longer are
        self._by_age: list[tuple[int, Hashable]] = []
        self._size = 0
        self._count = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, about: Hashable) -> bool:
        return about in self._lines

    def append(self, letter: Letter) -> None:
        """The last one about its object, and of all."""
        self._count += 1
        letter.number = self._count
        line = self._lines.setdefault(letter.about, deque())
        line.append(letter)
        self._size += 1
        if len(line) == 1:
            self._note(letter)

    def put_back(self, letter: Letter) -> None:
        """The first one about its object again."""
        self._lines.setdefault(letter.about, deque()).appendleft(letter)
        self._size += 1
        self._note(letter)

    def forget(self, about: Hashable) -> None:
        """Let go of all about this."""
        self._size -= len(self._lines.pop(about, ()))

    def due_at(self) -> float:
        """When the next one may go, NEVER if there is none."""
        heap = self._by_due
        while heap and not self._is_first(heap[0][2], heap[0][1], heap[0][0]):
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def take(self) -> Letter:
        """Take out the one that may go next."""
        self.due_at()
        return self._take_first(self._by_due[0][2])

    def oldest(self) -> Letter | None:
        """The one that has waited longest."""
        heap = self._by_age
        while heap and not self._is_first(heap[0][1], heap[0][0]):
            heappop(heap)
        return self._lines[heap[0][1]][0] if heap else None

    def drop_oldest(self) -> Letter:
        """Take out the one that has waited longest."""
        oldest = self.oldest()
        assert oldest is not None
        return self._take_first(oldest.about)

    def _take_first(self, about: Hashable) -> Letter:
        line = self._lines[about]
        letter = line.popleft()
        self._size -= 1
        if line:
            self._note(line[0])
        else:
            del self._lines[about]
        return letter

    def _is_first(self, about: Hashable, number: int, due: float | None = None) -> bool:
        line = self._lines.get(about)
        return line is not None and line[0].number == number and due in (None, line[0].due)

    def _note(self, first: Letter) -> None:
        if len(self._by_due) > 2 * len(self._lines) + 64:
            self._by_due, self._by_age = [], []
            for line in self._lines.values():
                self._push(line[0])
        else:
            self._push(first)

    def _push(self, first: Letter) -> None:
        heappush(self._by_due, (first.due, first.number, first.about))
        heappush(self._by_age, (first.number, first.about))


def _pause(tries: int) -> float:
    """Seconds after so many attempts in vain."""
    return min(LAST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 20))
