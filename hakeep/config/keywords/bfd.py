"""bfd_instance: one session of BFD with a neighbor; see `settle.bfd`."""

from __future__ import annotations

from typing import Any

from hakeep.config.schema import Block, Keyword, given
from hakeep.config.values.addresses import Ip
from hakeep.config.values.numbers import Flag, OptBool, Seconds, Weight, Whole
from hakeep.config.values.value import Value

_PEER = "the other end of the session"


def _given(name: str, value: Value[Any] | Block, doc: str, **facts: Any) -> Keyword:
    return given(name, value, doc, process="bfd", **facts)


BFD_INSTANCE = Block("One BFD session.", name="NAME", longest=31, unique=True, children=[
    _given("source_ip", Ip(), "our end of the session", fatal=True, default="chosen by the kernel", sample="192.0.2.1"),
    _given("neighbour_ip", Ip(), _PEER, field="neighbor_ip", required=True, sample="192.0.2.2"),
    _given("neighbor_ip", Ip(), _PEER, default="required", sample="192.0.2.2"),
    _given("min_rx", Seconds(1, 4294967, 3, "MILLISECONDS"), "shortest interval of packets that we can receive",
           fatal=True, default="10"),
    _given("min_tx", Seconds(1, 4294967, 3, "MILLISECONDS"), "interval at which we want to send", fatal=True,
           default="10"),
    _given("idle_tx", Seconds(1000, 4294967, 3, "MILLISECONDS"), "interval while the session is down", fatal=True,
           default="1000"),
    _given("multiplier", Whole(1, 255), "lost packets that end the session", fatal=True, default="5", sample="5"),
    _given("passive", Flag(), "let the other end begin", default="off"),
    _given("ttl", Whole(1, 255), "TTL of our packets", fatal=True, default="255", sample="255"),
    _given("hoplimit", Whole(1, 255), "hop limit of our packets", field="ttl", fatal=True, default="255",
           sample="255"),
    _given("max_hops", Whole(-1, 255), "hops that packets may have come; -1: any number", fatal=True, default="0",
           sample="2"),
    _given("multihop", OptBool(), "use the port for sessions over several hops", since="2.4", default="false"),
    _given("weight", Weight(-253, 253), "weight in a track_bfd that gives none", fatal=True, default="0"),
    _given("vrrp", Flag(), "tell VRRP only", default="on without checker"),
    _given("checker", Flag(), "tell checkers only", default="on without vrrp"),
])
