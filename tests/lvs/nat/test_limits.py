"""What cannot be had is said in sentences that name the keyword and a way out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from hakeep.lvs.nat.limits import cannot
from hakeep.objects.ipvs import ONE_PACKET, SCHED1, TCP, Destination, DestinationKey, Forward, Service, ServiceKey

KEY = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
SERVICE = Service(KEY, "wrr")
REAL = Destination(DestinationKey(KEY, ip_address("10.0.0.1"), 80))


@pytest.mark.parametrize(("words", "sentence"), [
    ({"scheduler": "wlc"}, "lvs_sched wlc needs IPVS: lvs_backend nftables knows rr, wrr, sh; use wrr, the nearest"),
    ({"scheduler": "mh"}, "lvs_sched mh needs IPVS: lvs_backend nftables knows rr, wrr, sh; use sh"),
    ({"scheduler": "twos"}, "lvs_sched twos needs IPVS: lvs_backend nftables knows rr, wrr, sh; use rr, wrr or sh"),
    ({"flags": ONE_PACKET},
     "ops needs IPVS: lvs_backend nftables keeps a connection for each client and port; leave it out"),
    ({"engine": "sip"}, "persistence_engine sip needs IPVS: lvs_backend nftables knows clients by their address only; "
                        "leave it out"),
    ({"key": KEY._replace(protocol=33)}, "protocol 33: lvs_backend nftables knows TCP, UDP, SCTP"),
])
def test_services(words: dict[str, object], sentence: str) -> None:
    assert cannot(replace(SERVICE, **words), ()) == sentence  # type: ignore[arg-type]


@pytest.mark.parametrize(("words", "sentence"), [
    ({"forward": Forward.ROUTE}, "lvs_method DR needs IPVS: lvs_backend nftables can only rewrite addresses; use NAT"),
    ({"upper": 9}, "uthreshold needs IPVS: lvs_backend nftables does not count a server's connections; leave it out"),
    ({"lower": 9}, "lthreshold needs IPVS: lvs_backend nftables does not count a server's connections; leave it out"),
    ({"key": REAL.key._replace(ip=ip_address("2001:db8::1"))},
     "an IPv6 real_server needs a tunnel, and lvs_method TUN needs IPVS: lvs_backend nftables cannot join it with an "
     "IPv4 virtual_server"),
])
def test_destinations(words: dict[str, object], sentence: str) -> None:
    assert cannot(SERVICE, [REAL, replace(REAL, **words)]) == sentence  # type: ignore[arg-type]


def test_what_can_be_had() -> None:
    assert cannot(SERVICE, [REAL]) == ""
    assert cannot(replace(SERVICE, scheduler="sh", flags=SCHED1), []) == ""
    assert cannot(Service(ServiceKey(6, 0, None, 0, 5), "rr"), []) == ""
