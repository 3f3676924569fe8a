"""Takes changes of routes, rules and static addresses to the kernel, a chunk at a time.

The kernel works them off inside the call that sends them, and its answers are there when it returns: some microseconds
for each. So a chunk is small enough to take about a millisecond, and whoever has more to do comes back for the next.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

from hakeep.kernel import policy_rules, routes
from hakeep.kernel.netlink import Ack, Netlink, Overrun
from hakeep.kernel.rtnl import Encoder
from hakeep.objects.diff import Add, Remove, Replace
from hakeep.objects.routes import Route, RouteKey, Rule, RuleKey
from hakeep.objects.rtnl import Address, AddressKey

RoutingChange = (
    Add[RouteKey, Route] | Remove[RouteKey, Route] | Replace[RouteKey, Route] | Add[RuleKey, Rule]
    | Remove[RuleKey, Rule] | Replace[RuleKey, Rule] | Add[AddressKey, Address] | Remove[AddressKey, Address]
    | Replace[AddressKey, Address]
)

#: Most changes in a chunk, and the seconds that it should take.
CHUNK = 64
CHUNK_TIME = 0.001
_SMALLEST_CHUNK = 4

#: What the kernel says of something that is not there, and is to be removed.
GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENXIO})

_ATTEMPTS = 3


class Outcome(NamedTuple):
    """What came of a change. `errno` 0: it is so now, by us; EEXIST: it was so already; `text` explains a refusal."""

    change: RoutingChange
    errno: int
    text: str = ""


class RoutingWriter:
    """Applies changes in the order given, through a netlink socket of its own. `index_of` gives the number of an
    interface, None when there is no such interface."""

    def __init__(self, index_of: Callable[[str], int | None]) -> None:
        self._netlink = Netlink()
        self._encoder = Encoder()
        self._index_of = index_of
        self._chunk = CHUNK

    @property
    def port(self) -> int:
        """Who the news of these changes come from."""
        return self._netlink.port

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def apply(self, changes: Sequence[RoutingChange]) -> list[Outcome]:
        """Make the first of these changes, as many as there is time for, and say what came of them.

        Raises OSError when the kernel takes none of them now.
        """
        outcomes: list[Outcome] = []
        sent: list[RoutingChange] = []
        messages: list[bytes] = []
        for change in changes[: self._chunk]:
            try:
                messages.append(self._message(change))
                sent.append(change)
            except LookupError:
                gone = 0 if isinstance(change, Remove) else errno.ENODEV
                outcomes.append(Outcome(change, gone))
        if messages:
            outcomes += self._send(sent, messages)
        return outcomes

    def _send(self, sent: list[RoutingChange], messages: list[bytes]) -> list[Outcome]:
        """They may all be repeated: what was done already answers EEXIST, or that it is gone."""
        for _ in range(_ATTEMPTS):
            began = monotonic()
            sequence = self._netlink.send(messages)
            pace = (monotonic() - began) / len(messages)
            self._chunk = max(_SMALLEST_CHUNK, min(CHUNK, int(CHUNK_TIME / pace))) if pace > 0 else CHUNK
            answers = self._answers(sequence)
            if answers is not None:
                return [_outcome(change, answers[seq]) for change, seq in zip(sent, sequence, strict=True)]
        raise OSError(errno.ENOBUFS, "answers of the kernel get lost")

    def _answers(self, sequence: range) -> dict[int, Ack] | None:
        """The answers to all of these, None if some were lost."""
        answers: dict[int, Ack] = {}
        while len(answers) < len(sequence):
            incoming = self._netlink.receive()
            if not incoming or any(isinstance(item, Overrun) for item in incoming):
                return None
            answers.update((item.seq, item) for item in incoming if isinstance(item, Ack) and item.seq in sequence)
        return answers

    def _message(self, change: RoutingChange) -> bytes:
        thing = change.have if isinstance(change, Remove) else change.wanted
        if isinstance(thing, Address):
            index = self._index_of(thing.interface)
            if index is None:
                raise LookupError(thing.interface)
            make = self._encoder.delete if isinstance(change, Remove) else self._encoder.add
            return make(thing, index)
        if isinstance(thing, Rule):
            remove = isinstance(change, Remove)
            return policy_rules.encode_remove_rule(thing) if remove else policy_rules.encode_add_rule(thing)
        if isinstance(change, Remove):
            return routes.encode_remove(thing, self._index_of)
        encode = routes.encode_replace if isinstance(change, Replace) else routes.encode_add
        return encode(thing, self._index_of)


def _outcome(change: RoutingChange, answer: Ack) -> Outcome:
    if isinstance(change, Remove) and answer.errno in GONE:
        return Outcome(change, 0)
    return Outcome(change, answer.errno, answer.text)
