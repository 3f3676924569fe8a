"""What people are told of a change of a pool, by mail and webhook, where the configuration asks for that.

As `lvs.telling` it reads two line-ups, so nothing is said that is not so. The sentences are those of keepalived's
mails, but for a lost quorum, where its numbers do not add up.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.lvs import words
from hakeep.lvs.check import Inquiry
from hakeep.lvs.lineup import Lineup
from hakeep.lvs.messages import Report
from hakeep.lvs.orders import Orders
from hakeep.lvs.pool import Pool, why

_NAMES = {
    "TCP_CHECK": "TCP CHECK", "MISC_CHECK": "MISC CHECK", "UDP_CHECK": "UDP CHECK", "PING_CHECK": "ICMP CHECK",
    "BFD_CHECK": "BFD CHECK", "DNS_CHECK": "DNS_CHECK:",
}
_LEAVING = "Shutting down"


def beginning(pool: Pool) -> Iterator[Report]:
    """A virtual server that is new. Of its real servers nobody knows anything yet."""
    settings, lineup = pool.settings, pool.now
    start = words.gained_quorum if lineup.quorum else words.quorum_down
    yield _virtual(pool, start(settings, lineup.total))


def difference(pool: Pool, before: Lineup, orders: Orders) -> Iterator[Report]:
    """What happened since `before` to a pool that goes on, to its real servers first."""
    for n, (was, standing) in enumerate(zip(before.reals, pool.now.reals, strict=True)):
        if was.up != standing.up:
            server = pool.settings.reals[n]
            reason = why(server, pool.inquiries[n], orders.of(server.ip, server.port, pool.name))
            yield _real(pool, n, standing.up, _sentence(pool, n, standing.up, reason), reason)
    if before.quorum != pool.now.quorum:
        change = words.gained_quorum if pool.now.quorum else words.lost_quorum
        yield _virtual(pool, change(pool.settings, pool.now.total))


def checked(pool: Pool, before: Lineup, inquiry: Inquiry) -> Iterator[Report]:
    """A check has a new verdict: the real servers that are, for all that, what they were (no_checker_emails)."""
    for n, (was, standing) in enumerate(zip(before.reals, pool.now.reals, strict=True)):
        if was.up == standing.up and inquiry in pool.inquiries[n]:
            says, reason = _outcome(inquiry), f"{inquiry.check.kind}: {inquiry.verdict.why}"
            yield _real(pool, n, standing.up, says, reason, f"{inquiry.check.kind} {words.asked(inquiry.check)}")


def ending(pool: Pool) -> Iterator[Report]:
    """The daemon stops. As with scripts, without `omega` nothing is said."""
    if not pool.settings.omega:
        return
    for n, standing in enumerate(pool.now.reals):
        if standing.up:
            yield _real(pool, n, False, _LEAVING, "the daemon stops")
    if pool.now.quorum:
        yield _virtual(pool, _LEAVING)._replace(state="DOWN")


def _sentence(pool: Pool, n: int, up: bool, reason: str) -> str:
    """What the check says that was heard last of those that say so; an order speaks for itself."""
    said = [inquiry for inquiry in pool.inquiries[n] if inquiry.verdict.up is up]
    if pool.healths[n].ordered_down or not said:
        return reason
    return _outcome(max(said, key=lambda inquiry: inquiry.latest_at))


def _outcome(inquiry: Inquiry) -> str:
    kind = inquiry.check.kind
    name = _NAMES.get(kind, "CHECK")
    if inquiry.verdict.up:
        return f"{name} succeed on service"
    reason = "" if kind in _NAMES else f" : {inquiry.verdict.why}"
    return f"{name} failed on service{reason}"


def _real(pool: Pool, n: int, up: bool, says: str, reason: str, check: str = "") -> Report:
    server = pool.settings.reals[n]
    return Report(
        "RS", words.real(pool.settings, server), _state(up), reason, server.smtp_alert, pool.settings.label, says,
        check)


def _virtual(pool: Pool, says: str) -> Report:
    settings = pool.settings
    return Report("VS", settings.label, _state(pool.now.quorum), says, settings.smtp_alert, "", says)


def _state(up: bool) -> str:
    return "UP" if up else "DOWN"
