"""The kernel lane's hands: makes address changes, a chunk at a time.

One call that adds a thousand addresses keeps the kernel, and with it the whole process, busy for 11 milliseconds, one
that adds five thousand for 270, and meanwhile no advert goes out. So changes leave in chunks of at most 128 messages
that should take about two milliseconds, and between two of them the owner of this object may do whatever is due. It
does not wait for anything by itself::

    while not writer.idle:
        writer.send_chunk()
        done = writer.collect()                      # adverts and announcements go here

An address that should have a lifetime and has none is deleted and added anew. RTM_NEWADDR could put the lifetime on
it, but for IPv6 the kernel then lets the prefix's route expire as well, which other addresses of the host stand on.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from time import monotonic
from typing import NamedTuple

from hakeep.kernel.netlink import Ack, Incoming, Netlink, Overrun
from hakeep.kernel.rtnl import Encoder, removal
from hakeep.objects.diff import Add, Change, Remove, Replace
from hakeep.objects.rtnl import Address, AddressKey, serves

AddressChange = Change[AddressKey, Address]

#: Most messages in one chunk, and the time in seconds that a chunk should keep the process busy.
CHUNK = 128
CHUNK_TIME = 0.002
_SMALLEST_CHUNK = 32  # below that, turning costs more than it helps

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
    """

    def __init__(
        self,
        netlink: Netlink,
        encoder: Encoder,
        index_of: Callable[[str], int | None],
        own_removals: Counter[bytes] | None = None,
    ) -> None:
        self._netlink = netlink
        self._encoder = encoder
        self._index_of = index_of
        self._own_removals = Counter[bytes]() if own_removals is None else own_removals
        self._queue: deque[AddressChange] = deque()
        self._sent: list[_Sent] = []  # what is not answered yet, and the sequence number of the first of it
        self._first = 0
        self._decided: list[tuple[AddressChange, int]] = []
        self._chunk = CHUNK

    def put(self, changes: Iterable[AddressChange]) -> None:
        """Add changes to the end of the queue."""
        self._queue.extend(changes)

    def put_renewals(self, addresses: Iterable[Address]) -> None:
        """Give these addresses their lifetimes anew. One that vanished comes back: ask only while they are due."""
        self.put(Replace(address.key, address, address) for address in addresses)

    def withdraw(self) -> list[AddressChange]:
        """Take back what has not been sent yet."""
        left = list(self._queue)
        self._queue.clear()
        return left

    @property
    def idle(self) -> bool:
        """True when nothing is queued, unanswered or unreported."""
        return not (self._queue or self._sent or self._decided)

    def send_chunk(self) -> int:
        """Send the next chunk and return how many messages it had; 0 while an earlier one is unanswered.

        Raises OSError when the kernel takes no message at all; the changes stay in the queue.
        """
        if self._sent:
            return 0
        taken: list[AddressChange] = []
        messages: list[bytes] = []
        sent: list[_Sent] = []
        started = monotonic()
        while self._queue and len(messages) < self._chunk - 1:  # a change is two messages at most
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
        try:
            sequence = self._netlink.send(messages, quiet=True)
        except OSError:
            self._queue.extendleft(reversed(taken))
            raise
        self._sent, self._first = sent, sequence.start
        self._own_removals.update(item.removes for item in sent if item.removes)
        self._adapt(monotonic() - started, len(messages))
        return len(messages)

    def _messages(self, change: AddressChange, index: int) -> tuple[bytes, bytes]:
        """The deletion and the addition that make up a change; b"" for the one that it does without."""
        match change:
            case Add():
                return b"", self._encoder.add(change.wanted, index)
            case Remove():
                return self._encoder.delete(change.have, index), b""
            case Replace() if change.have is change.wanted or only_lifetimes_differ(change.have, change.wanted):
                return b"", self._encoder.replace(change.wanted, index)
            case Replace():
                return self._encoder.delete(change.have, index), self._encoder.add(change.wanted, index)

    def _adapt(self, seconds: float, messages: int) -> None:
        """Shrink or grow the chunk: the kernel needs the longer for an address, the more there are."""
        if seconds > CHUNK_TIME:
            self._chunk = max(_SMALLEST_CHUNK, int(messages * CHUNK_TIME / seconds))
        elif seconds < CHUNK_TIME / 2:
            self._chunk = min(CHUNK, self._chunk * 2)

    def collect(self) -> Outcome:
        """Read the answers and say what they mean. The kernel has given them all when `send_chunk` returns."""
        incoming: list[Incoming] = []
        while found := self._netlink.receive():
            incoming += found
        return self.on_acks(incoming)

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

    def _expect_no_removal(self, sent: _Sent) -> None:
        """Nothing was removed, so nothing will be announced. When in doubt the monitor reports one too many."""
        if self._own_removals[sent.removes] > 0:
            self._own_removals[sent.removes] -= 1


def only_lifetimes_differ(have: Address, wanted: Address) -> bool:
    """True when one RTM_NEWADDR makes `wanted` of `have`, and may: it must put no lifetime where there is none."""
    if have.valid_lft is None and wanted.valid_lft is not None:
        return False
    return serves(replace(have, valid_lft=wanted.valid_lft, preferred_lft=wanted.preferred_lft), wanted)
