"""What became of a client's requests: answered, lost because they were in flight when something broke, or just lost.

A request may take several tries: as long as a client finds no connection (refused, or nobody is there) nothing was
asked, and it tries again; so does every browser with several addresses, every proxy with several servers. A request
that found one and got no answer is lost. It was *in flight* at a moment when it was under way then: begun before its
end, and without an answer after its beginning. So is nothing that began later. Whoever finds no connection for too long
has lost as well, and was never in flight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from observe import Interval, Request


class Moment(NamedTuple):
    """When something broke, and what: `what` goes on after "lost when"."""

    what: str
    when: Interval

    def under_way(self, request: Request) -> bool:
        """Whether that request was in flight then."""
        return request.start <= self.when.end and request.end >= self.when.start


class Account(NamedTuple):
    """The totals. `in_flight`: lost, by moment; `otherwise`: lost, without excuse; `again`: tries without a connection;
    `longest`: seconds from the first try of a request to its answer, at the most."""

    made: int
    answered: Counter[str]
    in_flight: Counter[str]
    otherwise: list[Request]
    again: int
    longest: float

    @property
    def lost(self) -> int:
        """All that got no answer."""
        return self.made - self.answered.total()

    def complaint(self, start: float) -> str:
        """A sentence about those that were lost without excuse, in seconds after `start`; "" when there are none."""
        if not self.otherwise:
            return ""
        at = ", ".join(f"{each.start - start:.2f} s" for each in self.otherwise[:10])
        return (f"{len(self.otherwise)} requests were lost that were not in flight when something broke, begun at {at}"
                f"{' and later' if len(self.otherwise) > 10 else ''}.")

    def __str__(self) -> str:
        by = ", ".join(f"{self.answered[who]} by {who}" for who in sorted(self.answered))
        return "\n".join((
            f"  the client made {self.made} requests: {self.answered.total()} were answered ({by}), {self.lost} lost",
            *(f"  lost in flight when {what}: {count}" for what, count in self.in_flight.items()),
            f"  lost that were not in flight: {len(self.otherwise)}",
            f"  tries that found no connection, and were made again: {self.again}; "
            f"the longest wait for an answer: {self.longest * 1000:.0f} ms",
        ))


def settle(tries: Iterable[Request], moments: Iterable[Moment], patience: float) -> Account:
    """The account of tries that one client made one after another. Who has no connection after `patience` seconds has
    lost, each `patience` seconds anew; what the last of them was waiting for is left open."""
    moments = tuple(moments)
    account = Account(0, Counter(), Counter({moment.what: 0 for moment in moments}), [], 0, 0.0)
    made, again, longest = 0, 0, 0.0
    first: float | None = None
    for each in sorted(tries):
        first = each.start if first is None else first
        if not each.reached:
            again += 1
            if each.end - first > patience:
                made += 1
                account.otherwise.append(each)
                first = None
            continue
        made += 1
        if each.answer:
            account.answered[each.answer] += 1
            longest = max(longest, each.end - first)
        elif broke := next((moment for moment in moments if moment.under_way(each)), None):
            account.in_flight[broke.what] += 1
        else:
            account.otherwise.append(each)
        first = None
    return account._replace(made=made, again=again, longest=longest)
