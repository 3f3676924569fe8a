"""Whether each of two routers hears the other: version, pace, authentication, checksum, and the way there.

Where they do not, each thinks that it is alone, and both become MASTER.
"""

from __future__ import annotations

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.pair.lineup import Side
from hakeep.vrrp.pair.rule import Found, differ, rule
from hakeep.vrrp.transmit import spoken_dialect
from hakeep.wire.vrrp import Dialect


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
        yield differ(Code.PAIR_VERSION, one, other, f"it speaks VRRP version {mine}, {one.host} version {theirs}",
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
    yield differ(
        Code.PAIR_INTERVAL, one, other, f"advert_int {mine:g}, and {theirs:g} on {one.host}", "advert_int",
        first=f"advert_int {theirs:g}", severity=Severity.ERROR if fatal else Severity.WARNING,
        note="version 2 drops adverts of another interval: both become MASTER" if fatal
        else "it works, but a failover changes how fast the next one is", fix=f"advert_int {theirs:g}")


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
        yield differ(
            Code.PAIR_AUTH, one, other, f"auth_type {mine.auth_type or 'none'}, and {theirs.auth_type or 'none'} on "
            f"{one.host}", "authentication", first=f"auth_type {theirs.auth_type or 'none'}",
            note="each drops the other's adverts: both become MASTER")
    elif mine.auth_pass != theirs.auth_pass:
        yield differ(Code.PAIR_AUTH, one, other, f"another auth_pass than on {one.host}", "authentication",
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
                yield differ(Code.PAIR_HMAC, sender, receiver, f"it insists on signed adverts, and {sender.host} does "
                             "not sign", "auth_hmac", first="unsigned", note="it drops them and becomes MASTER too",
                             fix="mode permissive, until both sign")
            continue
        if dict(checks.keys).get(signs.active_key) != dict(signs.keys)[signs.active_key]:
            yield differ(Code.PAIR_HMAC, sender, receiver, f"it does not have key {signs.active_key} with which "
                         f"{sender.host} signs, or has another secret under that number", "auth_hmac",
                         first=f"active_key {signs.active_key}",
                         note="adverts with an unknown or wrong key are dropped")


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
        yield differ(Code.PAIR_CHECKSUM, one, other, f"its checksums are made in another way than {one.host}'s",
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
        yield differ(Code.PAIR_TRANSPORT, one, other, f"adverts go to {_target(other)}, and to {_target(one)} on "
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
            yield differ(
                Code.PAIR_PEERS, receiver, sender, f"its unicast_peer does not have {source}, from which "
                f"{receiver.host} sends", "unicast_peer", first=f"sends from {source}",
                note=f"{receiver.host} does not hear this host and becomes MASTER too", fix=f"add {source}")
