"""What does not fit between the routers of a virtual router. Each rule is a function, and its docstring is its page.

A rule looks at one pair of sides. Diagnostics point at the second host's file, and with `also` at the first one's. In
the examples `a:` and `b:` are the two hosts' files; each is an instance in which only what is shown differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.loaded import Loaded
from hakeep.config.schema import Plain
from hakeep.config.settled import VirtualAddress
from hakeep.config.span import Span
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.pair.effective import group_of, priority, trackers
from hakeep.vrrp.pair.lineup import Lineup, Side
from hakeep.vrrp.transmit import spoken_dialect
from hakeep.wire.vrrp import Dialect

Found = Iterator[Diagnostic]


class Rule(NamedTuple):
    """A rule about two routers of one virtual router."""

    code: Code
    look: Callable[[Side, Side], Found]


RULES: list[Rule] = []


def rule(code: Code) -> Callable[[Callable[[Side, Side], Found]], Callable[[Side, Side], Found]]:
    """Registers a rule about two sides."""

    def register(look: Callable[[Side, Side], Found]) -> Callable[[Side, Side], Found]:
        RULES.append(Rule(code, look))
        return look

    return register


def compare(lineups: Sequence[Lineup], configurations: Mapping[str, Loaded]) -> list[Diagnostic]:
    """What all rules find: between routers, among those that have no partner, and between virtual servers."""
    found = list(alone(lineups))
    for lineup in lineups:
        found += _within(lineup)
    return [*found, *servers(configurations)]


def obstacles(lineup: Lineup, lineups: Sequence[Lineup]) -> list[Diagnostic]:
    """The errors with which this one of the virtual routers does not become what its prospects say."""
    found = list(_within(lineup))
    for side in _lone([lineup]):
        if twin := _twin(side, _lone(lineups)):
            found += alone([Lineup((twin,)), lineup])
    return [each for each in found if each.severity is Severity.ERROR]


def _within(lineup: Lineup) -> Found:
    """What all rules find between the routers of one virtual router."""
    for one, other in combinations(lineup.sides, 2):
        for each in RULES:
            yield from each.look(one, other)


def _lone(lineups: Sequence[Lineup]) -> list[Side]:
    """The routers that have no partner."""
    return [lineup.sides[0] for lineup in lineups if len(lineup.sides) == 1]


def _twin(side: Side, lone: Sequence[Side]) -> Side | None:
    """The one of another host that seems to be meant to be the partner."""
    return next((o for o in lone if o.host != side.host and (o.vips & side.vips or o.name == side.name)), None)


def _differ(
    code: Code, one: Side, other: Side, message: str, *keywords: str, first: str, severity: Severity = Severity.ERROR,
    note: str = "", fix: str = "",
) -> Diagnostic:
    """Something that stands otherwise in the two files; `first` says how it stands in the first one."""
    place = one.span(*keywords)
    return Diagnostic(
        code, severity, f"{other.name}: {message}", other.span(*keywords), (place, f"{one.host}: {first}") if place
        else None, note, fix, Verdict.OK)


# ---------------------------------------------------------------------------------------------------- being a pair


def alone(lineups: Sequence[Lineup]) -> Found:
    """An instance that no other host backs up

    When its host dies, its addresses are gone until the host is back. Often the other host does have the instance, but
    with another virtual_router_id: then each of the two hears nobody, both become MASTER, and both hold the addresses.

    Example::

        a: virtual_router_id 51
        b: virtual_router_id 52

    Cure::

        a: virtual_router_id 51
        b: virtual_router_id 51
    """
    lone = _lone(lineups)
    for side in lone:
        twin = _twin(side, lone)
        if twin is None:
            yield Diagnostic(
                Code.PAIR_ALONE, Severity.WARNING, f"{side.name}: no other host has VRID "
                f"{side.settled.virtual_router_id} for IPv{side.settled.family}", side.span(), verdict=Verdict.OK,
                note="when this host dies its addresses are gone")
        elif lone.index(twin) < lone.index(side) and twin.settled.family == side.settled.family:
            yield _differ(
                Code.PAIR_ALONE, twin, side, f"virtual_router_id {side.settled.virtual_router_id} is not "
                f"{twin.host}'s {twin.settled.virtual_router_id}", "virtual_router_id",
                first=f"{twin.settled.virtual_router_id} here", note="each hears nobody: both become MASTER and hold "
                "the same addresses", fix=f"virtual_router_id {twin.settled.virtual_router_id}")
        elif lone.index(twin) < lone.index(side):
            yield _differ(
                Code.PAIR_ALONE, twin, side, f"it is for IPv{side.settled.family}, and {twin.host}'s {twin.name} for "
                f"IPv{twin.settled.family}", "native_ipv6", "virtual_ipaddress", first=f"IPv{twin.settled.family} here",
                note="the first entry of virtual_ipaddress decides; put the other family into "
                "virtual_ipaddress_excluded or an instance of its own")


@rule(Code.PAIR_VERSION)
def version(one: Side, other: Side) -> Found:
    """Two versions of VRRP

    A router drops adverts of another version than its own, so each of the two hears nobody and both become MASTER.
    Version 2 is the default for IPv4; vrrp_version in global_defs changes it for all instances of a file.

    Example::

        a: version 2
        b: version 3

    Cure::

        a: version 3
        b: version 3
    """
    mine, theirs = other.settled.version, one.settled.version
    if mine != theirs:
        yield _differ(Code.PAIR_VERSION, one, other, f"it speaks VRRP version {mine}, {one.host} version {theirs}",
                      "version", first=f"version {theirs}", note="each drops the other's adverts: both become MASTER",
                      fix=f"version {max(mine, theirs)} in both")


@rule(Code.PAIR_INTERVAL)
def interval(one: Side, other: Side) -> Found:
    """Adverts at different intervals

    With version 2 the interval stands in the advert and must be the receiver's own: all others are dropped, and there
    are two masters. With version 3 a backup learns the master's interval, so this works; but after a failover outages
    are found faster or slower than before, which is seldom meant.

    Example::

        a: advert_int 1
        b: advert_int 2

    Cure::

        a: advert_int 1
        b: advert_int 1
    """
    mine, theirs = other.settled.advert_int, one.settled.advert_int
    if mine == theirs or other.settled.version != one.settled.version:
        return
    fatal = other.settled.version == 2
    yield _differ(
        Code.PAIR_INTERVAL, one, other, f"advert_int {mine:g}, and {theirs:g} on {one.host}", "advert_int",
        first=f"advert_int {theirs:g}", severity=Severity.ERROR if fatal else Severity.WARNING,
        note="version 2 drops adverts of another interval: both become MASTER" if fatal
        else "it works, but a failover changes how fast the next one is", fix=f"advert_int {theirs:g}")


@rule(Code.PAIR_DOWN)
def down_timer(one: Side, other: Side) -> Found:
    """Another number of adverts that may be missed

    down_timer_adverts decides how long a backup waits. Where it differs, it depends on who is backup how long an
    outage lasts; and a backup that waits less than the others may overtake one of higher priority.

    Example::

        a: version 3
           down_timer_adverts 3
        b: version 3
           down_timer_adverts 5

    Cure::

        a: version 3
           down_timer_adverts 3
        b: version 3
           down_timer_adverts 3
    """
    mine, theirs = other.settled.down_timer_adverts, one.settled.down_timer_adverts
    if mine != theirs:
        yield _differ(Code.PAIR_DOWN, one, other, f"down_timer_adverts {mine}, and {theirs} on {one.host}",
                      "down_timer_adverts", first=f"down_timer_adverts {theirs}", severity=Severity.WARNING,
                      note="who is backup decides how long an outage lasts")


# ---------------------------------------------------------------------------------------------------- who is believed


@rule(Code.PAIR_AUTH)
def authentication(one: Side, other: Side) -> Found:
    """Different authentication

    An advert with another auth_type or password is dropped, so both become MASTER. Only 8 characters of auth_pass
    count. With version 3 there is no authentication of this kind at all.

    Example::

        a: authentication {
               auth_type PASS
               auth_pass secret1
           }
        b: authentication {
               auth_type PASS
               auth_pass secret2
           }

    Cure::

        a: authentication {
               auth_type PASS
               auth_pass secret1
           }
        b: authentication {
               auth_type PASS
               auth_pass secret1
           }
    """
    mine, theirs = other.settled, one.settled
    if 3 in (mine.version, theirs.version):
        return
    if mine.auth_type != theirs.auth_type:
        yield _differ(
            Code.PAIR_AUTH, one, other, f"auth_type {mine.auth_type or 'none'}, and {theirs.auth_type or 'none'} on "
            f"{one.host}", "authentication", first=f"auth_type {theirs.auth_type or 'none'}",
            note="each drops the other's adverts: both become MASTER")
    elif mine.auth_pass != theirs.auth_pass:
        yield _differ(Code.PAIR_AUTH, one, other, f"another auth_pass than on {one.host}", "authentication",
                      first="the other password", note="each drops the other's adverts: both become MASTER")


@rule(Code.PAIR_HMAC)
def hmac(one: Side, other: Side) -> Found:
    """auth_hmac keys that do not meet

    What one host signs the other must be able to check: it needs the key of that number with the same secret. A host
    that enforces signatures drops everything from one that does not sign.

    Example::

        a: version 3
           auth_hmac {
               key 1 0x000102030405060708090a0b0c0d0e0f
               active_key 1
           }
        b: version 3
           auth_hmac {
               key 2 0x000102030405060708090a0b0c0d0e0f
               active_key 2
           }

    Cure::

        a: version 3
           auth_hmac {
               key 1 0x000102030405060708090a0b0c0d0e0f
               active_key 1
           }
        b: version 3
           auth_hmac {
               key 1 0x000102030405060708090a0b0c0d0e0f
               active_key 1
           }
    """
    for sender, receiver in ((one, other), (other, one)):
        signs, checks = sender.settled.auth_hmac, receiver.settled.auth_hmac
        if checks is None:
            continue
        if signs is None or signs.mode == "receive-only":
            if checks.mode == "enforce":
                yield _differ(Code.PAIR_HMAC, sender, receiver, f"it insists on signed adverts, and {sender.host} does "
                              "not sign", "auth_hmac", first="unsigned", note="it drops them and becomes MASTER too",
                              fix="mode permissive, until both sign")
            continue
        if dict(checks.keys).get(signs.active_key) != dict(signs.keys)[signs.active_key]:
            yield _differ(Code.PAIR_HMAC, sender, receiver, f"it does not have key {signs.active_key} with which "
                          f"{sender.host} signs, or has another secret under that number", "auth_hmac",
                          first=f"active_key {signs.active_key}",
                          note="adverts with an unknown or wrong key are dropped")


# ---------------------------------------------------------------------------------------------------- what moves


@rule(Code.PAIR_ADDRESSES)
def addresses(one: Side, other: Side) -> Found:
    """Other addresses

    An address that only one host has is gone when the other one is master. That goes for virtual_ipaddress_excluded
    too. The prefix length belongs to it: an address with another one makes other routes.

    Example::

        a: virtual_ipaddress {
               192.0.2.10/24
               192.0.2.11/24
           }
        b: virtual_ipaddress {
               192.0.2.10/24
           }

    Cure::

        a: virtual_ipaddress {
               192.0.2.10/24
               192.0.2.11/24
           }
        b: virtual_ipaddress {
               192.0.2.10/24
               192.0.2.11/24
           }
    """
    blocks = ("virtual_ipaddress", "virtual_ipaddress_excluded")
    for has, lacks in ((one, other), (other, one)):
        missing = [entry for entry in has.settled.addresses if entry.address.ip not in lacks.vips]
        if missing:
            text = _listed([entry.address.ip for entry in missing])
            yield _differ(Code.PAIR_ADDRESSES, has, lacks, f"{text} of {has.host} {_is_are(missing)} missing", *blocks,
                          first="here", note=f"gone while {lacks.host} is master")
    theirs = {entry.address.ip: entry for entry in one.settled.addresses}
    for entry in other.settled.addresses:
        same = theirs.get(entry.address.ip)
        if same is None:
            continue
        if same.advertised != entry.advertised:
            yield _differ(Code.PAIR_ADDRESSES, one, other, f"{entry.address.ip} is {_block(entry)} and on {one.host} "
                          f"{_block(same)}", *blocks, first=_block(same), severity=Severity.WARNING,
                          note="adverts list other addresses than the receiver expects; strict routers drop them")
        elif same.address.prefix != entry.address.prefix:
            yield _differ(Code.PAIR_ADDRESSES, one, other, f"{entry.address.ip}/{entry.address.prefix} is /"
                          f"{same.address.prefix} on {one.host}", *blocks, first=f"/{same.address.prefix}",
                          severity=Severity.WARNING, note="other routes come with the address after a failover")


def _is_are(entries: list[VirtualAddress]) -> str:
    return "is" if len(entries) == 1 else "are"


def _block(entry: VirtualAddress) -> str:
    return "in virtual_ipaddress" if entry.advertised else "in virtual_ipaddress_excluded"


def _listed(ips: list[IPAddress]) -> str:
    names = [str(ip) for ip in ips]
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


@rule(Code.PAIR_VMAC)
def vmac(one: Side, other: Side) -> Found:
    """A virtual MAC on one side only

    With use_vmac the addresses keep their MAC when they move; without it the MAC changes with every failover, which
    clients learn from gratuitous ARP. Mixed, the MAC changes all the same and the VMAC is of no use.

    Example::

        a: use_vmac
        b:

    Cure::

        a: use_vmac
        b: use_vmac
    """
    mine, theirs = other.settled.vmac is not None, one.settled.vmac is not None
    if mine != theirs:
        yield _differ(Code.PAIR_VMAC, one, other, f"it has {'a' if mine else 'no'} VMAC, and {one.host} has "
                      f"{'one' if theirs else 'none'}", "use_vmac", first="use_vmac" if theirs else "no use_vmac",
                      severity=Severity.WARNING, note="the MAC of the addresses changes with every failover")


# ---------------------------------------------------------------------------------------------------- the way there


@rule(Code.PAIR_CHECKSUM)
def checksum(one: Side, other: Side) -> Found:
    """Two ideas of the checksum

    Version 3 over IPv4 has been read in two ways: with a pseudo header (keepalived's default) or without one (RFC 9568,
    many appliances; v3_checksum_as_v2). hakeep accepts both and counts it; keepalived and others drop what is not
    theirs. old_unicast_checksum is a third way, of keepalived before 1.3.6.

    Example::

        a: version 3
           v3_checksum_as_v2
        b: version 3

    Cure::

        a: version 3
        b: version 3
    """
    dialects: tuple[Dialect, Dialect] = tuple(
        spoken_dialect(side.settled, AuthMemory()) for side in (one, other))  # type: ignore[assignment]
    if one.settled.family == 4 and one.settled.version == other.settled.version == 3 and dialects[0] != dialects[1]:
        yield _differ(Code.PAIR_CHECKSUM, one, other, f"its checksums are made in another way than {one.host}'s",
                      "v3_checksum_as_v2", "old_unicast_checksum", first="the other way", severity=Severity.WARNING,
                      note="hakeep accepts both; keepalived and appliances may drop the adverts and become MASTER")


@rule(Code.PAIR_TRANSPORT)
def transport(one: Side, other: Side) -> Found:
    """Multicast here, unicast there

    A router that is configured for unicast_peer drops multicast adverts and the other way round, and adverts to another
    multicast group are never received: both become MASTER.

    Example::

        a: unicast_src_ip 192.0.2.1
           unicast_peer {
               192.0.2.2
           }
        b:

    Cure::

        a: unicast_src_ip 192.0.2.1
           unicast_peer {
               192.0.2.2
           }
        b: unicast_src_ip 192.0.2.2
           unicast_peer {
               192.0.2.1
           }
    """
    mine, theirs = other.settled.multicast, one.settled.multicast
    if mine != theirs:
        yield _differ(Code.PAIR_TRANSPORT, one, other, f"adverts go to {_target(other)}, and to {_target(one)} on "
                      f"{one.host}", "unicast_peer", "mcast_dst_ip", first=f"to {_target(one)}",
                      note="neither hears the other: both become MASTER")


def _target(side: Side) -> str:
    return f"the group {side.settled.multicast}" if side.settled.multicast else "unicast peers"


@rule(Code.PAIR_PEERS)
def peers(one: Side, other: Side) -> Found:
    """A unicast peer that is not there

    Each host's unicast_peer must hold the address that the other one sends from, its unicast_src_ip. If it does not,
    adverts go past the other, which hears nobody and becomes MASTER too.

    Example::

        a: unicast_src_ip 192.0.2.1
           unicast_peer {
               192.0.2.3
           }
        b: unicast_src_ip 192.0.2.2
           unicast_peer {
               192.0.2.1
           }

    Cure::

        a: unicast_src_ip 192.0.2.1
           unicast_peer {
               192.0.2.2
           }
        b: unicast_src_ip 192.0.2.2
           unicast_peer {
               192.0.2.1
           }
    """
    if not (one.settled.unicast and other.settled.unicast):
        return
    for sender, receiver in ((one, other), (other, one)):
        source = receiver.settled.source
        if source is None:
            if sender is other or len(sender.settled.peers) != 1:
                continue
            yield Diagnostic(
                Code.PAIR_PEERS, Severity.NOTE, f"{receiver.name}: without unicast_src_ip it cannot be seen from here "
                f"whether {sender.host}'s peer {sender.settled.peers[0].ip} is this host", receiver.span(),
                verdict=Verdict.OK)
        elif all(peer.ip != source for peer in sender.settled.peers):
            yield _differ(
                Code.PAIR_PEERS, receiver, sender, f"its unicast_peer does not have {source}, from which "
                f"{receiver.host} sends", "unicast_peer", first=f"sends from {source}",
                note=f"{receiver.host} does not hear this host and becomes MASTER too", fix=f"add {source}")


# ---------------------------------------------------------------------------------------------------- who is master


@rule(Code.PAIR_PRIORITY)
def equal_priority(one: Side, other: Side) -> Found:
    """Equal priorities

    Then the higher source address decides an election, and whoever is master already stays. That is a way to avoid a
    second interruption when a host returns; where one host is to be preferred give it the higher priority.

    Example::

        a: priority 100
        b: priority 100

    Cure::

        a: priority 150
        b: priority 100
    """
    if priority(one) == priority(other) and not (one.settled.owner and other.settled.owner):
        yield _differ(
            Code.PAIR_PRIORITY, one, other, f"priority {other.settled.priority} on both", "priority",
            first=f"priority {other.settled.priority}", severity=Severity.WARNING,
            note="the higher source address wins an election; who is master stays")


@rule(Code.PAIR_OWNERS)
def owners(one: Side, other: Side) -> Found:
    """Two owners of the same addresses

    Priority 255 says that a router owns the addresses: it becomes master as soon as it starts, whoever else is. Two
    such routers are both master, and fight.

    Example::

        a: priority 255
        b: priority 255

    Cure::

        a: priority 150
        b: priority 100
    """
    if one.settled.owner and other.settled.owner:
        yield _differ(
            Code.PAIR_OWNERS, one, other, "priority 255 is for the one host that owns the addresses", "priority",
            first="priority 255", note="both become MASTER at once when they start")


@rule(Code.PAIR_STATE)
def two_masters_meant(one: Side, other: Side) -> Found:
    """state MASTER on both

    `state` is only where a router starts in thought; priority decides who is master. Two files that both say MASTER
    tell the reader something that will not be.

    Example::

        a: state MASTER
           priority 150
        b: state MASTER
           priority 100

    Cure::

        a: state MASTER
           priority 150
        b: state BACKUP
           priority 100
    """
    if one.settled.state == other.settled.state == "MASTER" and priority(one) != priority(other):
        lower = min((one, other), key=lambda side: priority(side) or 0)
        higher = other if lower is one else one
        yield _differ(Code.PAIR_STATE, higher, lower, "state MASTER, but its priority is the lower one", "state",
                      first="state MASTER, with the higher priority", severity=Severity.NOTE, fix="state BACKUP")


@rule(Code.PAIR_PREEMPTION)
def preemption(one: Side, other: Side) -> Found:
    """Preemption on one side only

    nopreempt keeps a router from taking over from a living master of lower priority. On the preferred host it avoids a
    second interruption when that returns. If only the other host has it, it changes nothing in this pair.

    Example::

        a: priority 150
        b: priority 100
           nopreempt

    Cure::

        a: priority 150
           nopreempt
        b: priority 100
           nopreempt
    """
    higher, lower = sorted((one, other), key=lambda side: -(priority(side) or 0))
    if lower.settled.nopreempt and not higher.settled.nopreempt and priority(higher) != priority(lower):
        yield _differ(
            Code.PAIR_PREEMPTION, higher, lower, f"nopreempt here does not keep {higher.host} from taking over when it "
            "comes back", "nopreempt", first="preempts", severity=Severity.NOTE,
            fix=f"nopreempt in {higher.host}, if it is to wait")


@rule(Code.PAIR_WEIGHT)
def weight_too_small(one: Side, other: Side) -> Found:
    """A failure that moves nothing

    A tracker with a weight lowers the priority when what it tracks fails, so that another host takes over. That works
    only if the lowered priority is below the other host's. If it is not, the failed host stays master.

    Example::

        a: priority 150
           track_interface {
               eth1 weight -20
           }
        b: priority 100

    Cure::

        a: priority 150
           track_interface {
               eth1 weight -60
           }
        b: priority 100
    """
    higher, lower = sorted((one, other), key=lambda side: -(priority(side) or 0))
    top, rest = priority(higher), priority(lower)
    if top is None or rest is None or top <= rest:
        return
    for tracker in trackers(higher):
        left = priority(higher, tracker)
        if left is not None and rest <= left < top:
            yield Diagnostic(
                Code.PAIR_WEIGHT, Severity.WARNING, f"{higher.name}: when {tracker} fails priority {top} becomes "
                f"{left}, but {lower.host} has {rest}: nothing moves", tracker.span, _also(lower, rest),
                verdict=Verdict.OK, note="the weight should lower it by at least " + str(top - rest + 1))


def _also(side: Side, value: int) -> tuple[Span, str] | None:
    place = side.span("priority")
    return (place, f"{side.host}: {value}") if place else None


@rule(Code.PAIR_GROUPS)
def groups(one: Side, other: Side) -> Found:
    """A sync group on one side only

    Members of a sync_group move together. If only one host groups them, a failure there moves all of them, but on the
    other host each goes its own way, and traffic may come in on one host and leave on the other.

    Example::

        a: group
        b:

    Cure::

        a: group
        b: group
    """
    mine, theirs = group_of(other), group_of(one)
    if (mine is None) != (theirs is None):
        group, has, lacks = (mine, other, one) if mine is not None else (theirs, one, other)
        assert group is not None
        place = group.span("group")
        yield Diagnostic(
            Code.PAIR_GROUPS, Severity.WARNING, f"{lacks.name}: it is in no sync group, and in {group.name} on "
            f"{has.host}", lacks.span(), (place, f"{has.host}: grouped") if place else None, verdict=Verdict.OK,
            note="its fellows do not follow it on this host")


# ---------------------------------------------------------------------------------------------------- virtual servers


def servers(configurations: Mapping[str, Loaded]) -> Found:
    """Other virtual servers or other real servers

    The master of the address forwards to the real servers of its own file. Where the files differ, a failover changes
    what clients reach.

    Example::

        a: real_server 192.0.2.21 80
        b: real_server 192.0.2.22 80

    Cure::

        a: real_server 192.0.2.21 80
        b: real_server 192.0.2.21 80
    """
    hosts = list(configurations.items())
    for (one, first), (other, second) in combinations(hosts, 2):
        theirs = {server.head: server for server in first.config.virtual_server}
        mine = {server.head: server for server in second.config.virtual_server}
        for key in [*theirs, *(key for key in mine if key not in theirs)]:
            has, lacks = theirs.get(key), mine.get(key)
            if has is None or lacks is None:
                there = has or lacks
                assert there is not None
                missing = other if has is not None else one
                yield Diagnostic(
                    Code.PAIR_SERVERS, Severity.WARNING, f"virtual_server {_service(there)} is not in {missing}",
                    there.span(), verdict=Verdict.OK, note=f"nothing is forwarded while {missing} is master")
                continue
            for here, there, host in ((has, lacks, other), (lacks, has, one)):
                known = {real.head for real in there.get("real_server", ())}
                for real in here.get("real_server", ()):
                    if real.head not in known:
                        place = there.span()
                        yield Diagnostic(
                            Code.PAIR_SERVERS, Severity.WARNING, f"real_server {_service(real)} of virtual_server "
                            f"{_service(here)} is not in {host}", real.span(), (place, f"{host}: not here")
                            if place else None, verdict=Verdict.OK)


def _service(section: Plain) -> str:
    """How a virtual or real server is called."""
    ip, port = section.head[:2]
    if ip is None:
        return f"group {section.head.group}" if section.head.group else f"fwmark {section.head.fwmark}"
    return str(ip) if port is None else f"{ip} {port}"


#: The page of each code, for `hakeep explain`.
PAGES: dict[Code, str] = {
    Code.PAIR_ALONE: alone.__doc__ or "", **{each.code: each.look.__doc__ or "" for each in RULES},
    Code.PAIR_SERVERS: servers.__doc__ or "",
}
