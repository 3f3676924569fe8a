"""bfd_instance: kept as it is written until hakeep runs BFD sessions."""

from __future__ import annotations

from hakeep.config.schema import Block, given
from hakeep.config.values.addresses import Ip
from hakeep.config.values.numbers import Flag, OptBool, Seconds, Weight, Whole

_PEER = "the other end of the session"

BFD_INSTANCE = Block("One BFD session.", name="NAME", unique=True, children=[
    given("source_ip", Ip(), "our end of the session", fatal=True, default="chosen by the kernel"),
    given("neighbour_ip", Ip(), _PEER, field="neighbor_ip", required=True),
    given("neighbor_ip", Ip(), _PEER),
    given("min_rx", Seconds(1, 4294967, 3, "MILLISECONDS"), "shortest interval of packets that we can receive",
          fatal=True, default="10"),
    given("min_tx", Seconds(1, 4294967, 3, "MILLISECONDS"), "interval at which we want to send", fatal=True,
          default="10"),
    given("idle_tx", Seconds(1000, 4294967, 3, "MILLISECONDS"), "interval while the session is down", fatal=True,
          default="1000"),
    given("multiplier", Whole(1, 255), "lost packets that end the session", fatal=True, default="5"),
    given("passive", Flag(), "let the other end begin", default="off"),
    given("ttl", Whole(1, 255), "TTL of our packets", fatal=True, default="255, IPv6 64"),
    given("hoplimit", Whole(1, 255), "hop limit of our packets", field="ttl", fatal=True, default="255, IPv6 64"),
    given("max_hops", Whole(-1, 255), "hops that packets may have come; -1: any number", fatal=True, default="0"),
    given("multihop", OptBool(), "use the port for sessions over several hops", since="2.4", default="false"),
    given("weight", Weight(-253, 253), "weight in a track_bfd that gives none", fatal=True, default="0"),
    given("vrrp", Flag(), "tell VRRP only", default="on without checker"),
    given("checker", Flag(), "tell checkers only", default="on without vrrp"),
])
