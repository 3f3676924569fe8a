"""The kernel lane's hands: makes address changes, a chunk at a time.

One call that adds a thousand addresses keeps the kernel busy for 15 milliseconds, one that adds five thousand for 300,
and what has been decided by then cannot be taken back. So changes leave in chunks of at most 128 messages that should
take about two milliseconds. The first few are made at once, and the rest by a `Courier`, if there is one, so that its
owner has time for adverts and announcements. It does not wait for anything by itself::

    while not writer.idle:
        while writer.send_chunk():
            pass
        done = writer.collect()                      # adverts and announcements go here

An address that should have a lifetime and has none is deleted and added anew. RTM_NEWADDR could put the lifetime on
it, but for IPv6 the kernel then lets the prefix's route expire as well, which other addresses of the host stand on.
"""

from __future__ import annotations

import errno
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from time import monotonic
from typing import NamedTuple

from hakeep.kernel.courier import Courier
from hakeep.kernel.netlink import Ack, Incoming, Netlink, Overrun
from hakeep.kernel.rtnl import Encoder, removal
from hakeep.objects.diff import Add, Change, Remove, Replace
from hakeep.objects.rtnl import Address, AddressKey, serves

AddressChange = Change[AddressKey, Address]

#: Most messages in one chunk, and the time in seconds that a chunk should keep the process busy.
CHUNK = 128
CHUNK_TIME = 0.002
_SMALLEST_CHUNK = 32  # below that, turning costs more than it helps

#: Chunks that a courier is given before the first is answered: one to carry, one to take up next.
AHEAD = 2

#: Errors that mean: it is so already. For a deletion, and for an addition.
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO})
_THERE = frozenset({errno.EEXIST})


class Outcome(NamedTuple):
    """What the kernel has acknowledged: keys that are there now, keys that are gone now, and refusals (key, errno).

    A key that is both removed and refused had to be deleted and added anew, and the second half failed.
    """

    added: tuple[AddressKey, ...] = ()
    removed: tuple[AddressKey, ...] = ()
    refused: tuple[tuple[AddressKey, int], ...] = ()


class _Sent(NamedTuple):
    """A message on its way: what it removes (b"" = it adds), and what part it is of which change."""

    removes: bytes
    change: AddressChange
    is_second: bool = False
    is_last: bool = True


class _Tally(NamedTuple):
    """An `Outcome` in the making."""

    added: list[AddressKey]
    removed: list[AddressKey]
    refused: list[tuple[AddressKey, int]]


class AddressWriter:
    """Applies changes of addresses in the order given, through one netlink socket that nobody else reads.

    `index_of` gives the number of an interface, None when there is no such interface: then additions are refused
    with ENODEV and removals are done. `own_removals` is where the writer notes what it removes, for the `Monitor`.
    `courier` sends through the same socket; without one `send_chunk` returns when the kernel is done.
    """

    def __init__(
        self,
        netlink: Netlink,
        encoder: Encoder,
        index_of: Callable[[str], int | None],
        own_removals: Counter[bytes] | None = None,
        courier: Courier | None = None,
    ) -> None:
        self._netlink = netlink
        self._courier = courier
        self._encoder = encoder
        self._index_of = index_of
        self._own_removals = Counter[bytes]() if own_removals is None else own_removals
        self._queue: deque[AddressChange] = deque()
        self._coming: Iterator[AddressChange] = iter(())  # what is to be queued when there is room
        self._sent: list[_Sent] = []  # what is not answered yet, and the sequence number of the first of it
        self._first = 0
        self._ends: deque[int] = deque()  # the last sequence number of each chunk that is not answered yet
        self._decided: list[tuple[AddressChange, int]] = []
        self._chunk = CHUNK

    def put(self, changes: Iterable[AddressChange]) -> None:
        """Add changes to the end of the queue."""
        self._queue.extend(changes)

    def put_renewals(self, addresses: Iterable[Address]) -> None:
        """Give these addresses their lifetimes anew. One that vanished comes back: ask only while they are due."""
        self.put(Replace(address.key, address, address) for address in addresses)

    def put_coming(self, changes: Iterator[AddressChange]) -> None:
        """Take these one by one, as they are needed, after what is queued already: instead of those that were still to
        come."""
        self._coming = changes

    def _more(self) -> bool:
        """Whether there is anything to send. What comes next is queued, at least a chunk of it."""
        lacking = self._chunk - len(self._queue)
        if lacking > 0:
            self._queue.extend(islice(self._coming, lacking))
        return bool(self._queue)

    def withdraw(self) -> list[AddressChange]:
        """Take back what has not been sent yet, and forget what was still to come."""
        left = list(self._queue)
        self._queue.clear()
        self._coming = iter(())
        return left

    @property
    def idle(self) -> bool:
        """True when nothing is queued, unanswered or unreported."""
        return not (self._sent or self._decided or self._more())

    @property
    def under_way(self) -> bool:
        """True while something is sent and not answered."""
        return bool(self._sent)

    @property
    def undecided(self) -> bool:
        """True when `collect` has something to say that nobody was asked for."""
        return bool(self._decided)

    @property
    def full(self) -> bool:
        """True while an answer must come before more can be sent: to one chunk, with a courier to the first of two."""
        if self._courier is None:
            return bool(self._sent)
        return len(self._ends) >= AHEAD or (
            bool(self._sent) and self._netlink.next_sequence != self._first + len(self._sent)
        )

    @property
    def ready(self) -> bool:
        """True when `send_chunk` has something to do."""
        return not self.full and self._more()

    def send_chunk(self) -> int:
        """Send the next chunk and return how many messages it had; 0 while it is `full`.

        Raises OSError when the kernel takes no message at all; the changes stay in the queue.
        """
        if not self.ready:
            return 0
        taken: list[AddressChange] = []
        messages: list[bytes] = []
        sent: list[_Sent] = []
        at_once = self._at_once
        most = _SMALLEST_CHUNK if at_once else self._chunk
        while self._queue and len(messages) < most - 1:  # a change is two messages at most
            change = self._queue.popleft()
            index = self._index_of(change.key[0])
            if index is None:
                self._decided.append((change, errno.ENODEV))
                continue
            taken.append(change)
            deletion, addition = self._messages(change, index)
            if deletion:
                messages.append(deletion)
                sent.append(_Sent(removal(deletion), change, is_last=not addition))
            if addition:
                messages.append(addition)
                sent.append(_Sent(b"", change, is_second=bool(deletion)))
        if messages:
            try:
                sequence = self._hand_over(messages, at_once)
            except OSError:
                self._queue.extendleft(reversed(taken))
                raise
            if not self._sent:
                self._first = sequence.start
            self._sent += sent
            self._ends.append(sequence[-1])
            self._own_removals.update(item.removes for item in sent if item.removes)
        return len(messages)

    @property
    def _at_once(self) -> bool:
        """True when the courier has nothing to do and there is more than renewals: a few addresses are there before it
        would be awake. Renewals are never so urgent that the loop should stand in the kernel for them, which may wait
        long for others: while somebody removes a thousand links, say."""
        if self._courier is None or not self._courier.idle or self._sent:
            return False
        return not is_renewal(self._queue[0])

    def _hand_over(self, messages: list[bytes], at_once: bool) -> range:
        if self._courier is not None and not at_once:
            data, sequence = self._netlink.compose(messages, quiet=True)
            self._courier.carry(data, len(messages))
            self._adapt(self._courier.pace)
            return sequence
        started = monotonic()
        sequence = self._netlink.send(messages, quiet=True)
        self._adapt((monotonic() - started) / len(messages))
        return sequence

    def _messages(self, change: AddressChange, index: int) -> tuple[bytes, bytes]:
        """The deletion and the addition that make up a change; b"" for the one that it does without."""
        match change:
            case Add():
                return b"", self._encoder.add(change.wanted, index)
            case Remove():
                return self._encoder.delete(change.have, index), b""
            case Replace() if is_renewal(change) or only_lifetimes_differ(change.have, change.wanted):
                return b"", self._encoder.replace(change.wanted, index)
            case Replace():
                return self._encoder.delete(change.have, index), self._encoder.add(change.wanted, index)

    def _adapt(self, pace: float) -> None:
        """Shrink or grow the chunk by the seconds that a message takes: the more addresses there are, the longer."""
        self._chunk = max(_SMALLEST_CHUNK, min(CHUNK, int(CHUNK_TIME / pace))) if pace > 0 else CHUNK

    def collect(self) -> Outcome:
        """Read the answers and say what they mean. Without a courier the kernel has given them all when `send_chunk`
        returns; with one its `fileno` and the socket's tell when to look.

        Raises OSError when the courier could not deliver; the changes are in the queue again.
        """
        failed = self._courier.resume() if self._courier is not None and self._courier.idle else 0
        incoming: list[Incoming] = []
        while found := self._netlink.receive():
            incoming += found
        outcome = self.on_acks(incoming)
        if failed:
            self._send_again()
            if outcome == Outcome():
                raise OSError(failed, os.strerror(failed))
        return outcome

    def on_acks(self, incoming: Iterable[Incoming]) -> Outcome:
        """Take what the socket received and say what it means. After lost answers the chunk will be sent again."""
        tally = _Tally([], [], [])
        for change, number in self._decided:
            if isinstance(change, Remove):
                tally.removed.append(change.key)
            else:
                tally.refused.append((change.key, number))
        self._decided.clear()
        for item in incoming:
            if isinstance(item, Overrun):
                self._send_again()
            elif isinstance(item, Ack) and 0 <= (position := item.seq - self._first) < len(self._sent):
                for sent in self._sent[:position]:
                    self._settle(sent, 0, tally)  # silence is consent
                self._settle(self._sent[position], item.errno, tally)
                self._sent, self._first = self._sent[position + 1 :], item.seq + 1
                while self._ends and self._ends[0] < self._first:
                    self._ends.popleft()
        return Outcome(tuple(tally.added), tuple(tally.removed), tuple(tally.refused))

    def _settle(self, sent: _Sent, number: int, tally: _Tally) -> None:
        """One message was answered."""
        key = sent.change.key
        if sent.removes and number:
            self._expect_no_removal(sent)
        if number and number not in (_GONE if sent.removes else _THERE):
            tally.refused.append((key, number))
            if sent.is_second:
                tally.removed.append(key)  # the first message of the change has done its work
        elif not sent.removes:
            tally.added.append(key)
        elif sent.is_last:
            tally.removed.append(key)

    def _send_again(self) -> None:
        """Every request may be repeated: what was done already answers EEXIST or EADDRNOTAVAIL."""
        self._queue.extendleft(reversed([sent.change for sent in self._sent if sent.is_last]))
        for sent in self._sent:
            self._expect_no_removal(sent)
        self._sent.clear()
        self._ends.clear()

    def _expect_no_removal(self, sent: _Sent) -> None:
        """Nothing was removed, so nothing will be announced. When in doubt the monitor reports one too many."""
        if self._own_removals[sent.removes] > 0:
            self._own_removals[sent.removes] -= 1


def is_renewal(change: AddressChange) -> bool:
    """True for what `put_renewals` made."""
    return isinstance(change, Replace) and change.have is change.wanted


def only_lifetimes_differ(have: Address, wanted: Address) -> bool:
    """True when one RTM_NEWADDR makes `wanted` of `have`, and may: it must put no lifetime where there is none."""
    if have.valid_lft is None and wanted.valid_lft is not None:
        return False
    return serves(replace(have, valid_lft=wanted.valid_lft, preferred_lft=wanted.preferred_lft), wanted)
