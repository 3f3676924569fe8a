"""Every kind of route and rule goes into the kernel, comes back as it was wanted, and can be taken out again."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from hakeep.config.host import Host
from hakeep.config.settle.route_words import route_of
from hakeep.config.settle.rule_words import rule_of
from hakeep.config.values.routes import ROUTE, RULE
from hakeep.kernel import policy_rules, routes, rtnl
from hakeep.kernel.netlink import Netlink, NetlinkError
from hakeep.objects.routes import Route, Rule, fits, serves

pytestmark = pytest.mark.netns


def route(text: str) -> Route:
    return route_of(ROUTE.parse(text.split(), lambda _: None), Host())


def rule(text: str, preference: int = 1000) -> Rule:
    return rule_of(RULE.parse(text.split(), lambda _: None), preference, Host())


#: Entries, and what ip(8) shows of them.
ROUTES = {
    "198.51.100.0/24 via 10.1.0.254": "198.51.100.0/24 via 10.1.0.254 dev eth0 proto keepalived",
    "198.51.100.0/24 dev eth0": "198.51.100.0/24 dev eth0 proto keepalived scope link",
    "default via 10.1.0.254 dev eth0 metric 5": "default via 10.1.0.254 dev eth0 proto keepalived metric 5",
    "default via 10.1.0.254 dev eth0 table 1000": "default via 10.1.0.254 dev eth0 table 1000 proto keepalived",
    "198.51.100.0/24 dev eth0 tos 0x10 scope host src 10.1.0.1":
        "198.51.100.0/24 tos 0x10 dev eth0 proto keepalived scope host src 10.1.0.1",
    "198.51.100.7 via 203.0.113.1 dev eth0 onlink": "198.51.100.7 via 203.0.113.1 dev eth0 proto keepalived onlink",
    "198.51.100.0/24 dev eth0 protocol 77 no_track": "198.51.100.0/24 dev eth0 proto 77 scope link",
    "198.51.100.0/24 via 10.1.0.254 mtu lock 1400 window 9 rtt 200 rttvar 0.2s ssthresh 7 cwnd 8 advmss 1000"
    " reordering 3 hoplimit 9 initcwnd 10 features ecn rto_min 250ms initrwnd 11 quickack 1 congctl lock reno"
    " fastopen_no_cookie 1":
        "mtu lock 1400 window 9 rtt 200ms rttvar 200ms ssthresh 7 cwnd 8 advmss 1000 reordering 3 hoplimit 9"
        " initcwnd 10 features ecn rto_min 250ms initrwnd 11 quickack 1 congctl lock reno fastopen_no_cookie 1",
    "198.51.100.0/24 nexthop via 10.1.0.2 weight 3 nexthop via 10.1.0.3 dev eth0":
        "nexthop via 10.1.0.2 dev eth0 weight 3 nexthop via 10.1.0.3 dev eth0 weight 1",
    "198.51.100.0/24 dev eth0 nexthop via 203.0.113.2 onlink nexthop via 203.0.113.3 onlink weight 256":
        "nexthop via 203.0.113.2 dev eth0 weight 1 onlink nexthop via 203.0.113.3 dev eth0 weight 256 onlink",
    "198.51.100.0/24 via 10.1.0.2 or 10.1.0.3 dev eth0":
        "nexthop via 10.1.0.2 dev eth0 weight 1 nexthop via 10.1.0.3 dev eth0 weight 1",
    "198.51.100.0/24 via 10.1.0.254 realms 3/4": "via 10.1.0.254 dev eth0 proto keepalived realms 3/4",
    "198.51.100.0/24 encap ip id 5 dst 10.1.0.7 ttl 9 tos 4 dev eth0":
        "encap ip id 5 src 0.0.0.0 dst 10.1.0.7 ttl 9 tos 4 dev eth0",
    "198.51.100.0/24 encap ip6 id 5 dst 2001:db8::9 hoplimit 9 tc 4 dev eth0":
        "encap ip6 id 5 src :: dst 2001:db8::9 hoplimit 9 tc 4 dev eth0",
    "blackhole 198.51.100.0/24": "blackhole 198.51.100.0/24 proto keepalived",
    "unreachable 198.51.100.0/24": "unreachable 198.51.100.0/24 proto keepalived",
    "prohibit 198.51.100.0/24 table 100": "prohibit 198.51.100.0/24 table 100 proto keepalived",
    "throw 198.51.100.0/24 metric 3": "throw 198.51.100.0/24 proto keepalived metric 3",
    "local 198.51.100.7 dev eth0": "local 198.51.100.7 dev eth0 table local proto keepalived",
    "2001:db8:9::/64 via 2001:db8:1::fe": "2001:db8:9::/64 via 2001:db8:1::fe dev eth0 proto keepalived metric 1024",
    "2001:db8:9::/64 dev eth0 metric 6 pref high": "2001:db8:9::/64 dev eth0 proto keepalived metric 6 pref high",
    "2001:db8:9::/64 dev eth0 expires 600 mtu 1400": "2001:db8:9::/64 dev eth0 proto keepalived metric 1024 expires",
    "2001:db8:9::/64 nexthop via 2001:db8:1::2 dev eth0 weight 2 nexthop via 2001:db8:1::3":
        "nexthop via 2001:db8:1::2 dev eth0 weight 2 nexthop via 2001:db8:1::3 dev eth0 weight 1",
    "inet6 default via fe80::1 dev eth0 table 100": "default via fe80::1 dev eth0 table 100 proto keepalived",
    "2001:db8:9::/64 from 2001:db8:1::/64 dev eth0": "2001:db8:9::/64 from 2001:db8:1::/64 dev eth0",
    "inet6 blackhole 2001:db8:9::/64": "blackhole 2001:db8:9::/64 dev lo proto keepalived",
}

RULES = {
    "from 10.1.0.0/24 table 100": "from 10.1.0.0/24 lookup 100 proto keepalived",
    "to 198.51.0.0/16 table 1000 fwmark 0x10/0xff tos 0x10":
        "from all to 198.51.0.0/16 tos 0x10 fwmark 0x10/0xff lookup 1000",
    "fwmark 7 table 100": "from all fwmark 0x7 lookup 100",
    "fwmark 0/0xff table 100": "from all fwmark 0/0xff lookup 100",
    "iif eth0 table main suppress_prefixlength 0": "from all iif eth0 lookup main suppress_prefixlength 0",
    "oif eth0 table 100 suppress_ifgroup default": "from all oif eth0 lookup 100 suppress_ifgroup default",
    "not from 10.4.0.0/16 goto 2000": "not from 10.4.0.0/16 goto 2000",
    "from 10.4.0.0/16 nop": "from 10.4.0.0/16 nop",
    "from 10.4.0.0/16 blackhole": "from 10.4.0.0/16 blackhole",
    "from 10.4.0.0/16 type prohibit": "from 10.4.0.0/16 prohibit",
    "unreachable": "from all unreachable",
    "to 10.7.0.0/16 uidrange 5-9 ipproto udp sport 10-20 dport 53 table 100":
        "from all to 10.7.0.0/16 uidrange 5-9 ipproto udp sport 10-20 dport 53 lookup 100",
    "from 10.8.0.0/16 realms 3/4 table 100": "from 10.8.0.0/16 lookup 100 realms 3/4",
    "l3mdev": "from all lookup [l3mdev-table]",
    "tunnel-id 77 table 100": "from all tun_id 77 lookup 100",
    "from 10.1.0.0/24": "from 10.1.0.0/24 lookup main",
    "from 10.1.0.0/24 table 100 protocol 77 no_track": "lookup 100 proto 77",
    "from 2001:db8::/32 to 2001:db8:9::/64 table 100": "from 2001:db8::/32 to 2001:db8:9::/64 lookup 100",
    "inet6 table 100": "from all lookup 100",
}


class Kernel:
    """One namespace with a veth link, seen through our codec and through ip(8)."""

    def __init__(self, lab: Any) -> None:
        self.namespace, _ = lab.pair()
        for address in ("10.1.0.1/24", "2001:db8:1::1/64 nodad"):
            self.namespace.ip(f"addr add {address} dev eth0")
        self.netlink: Netlink = lab.keep(self.namespace.run(Netlink))
        self.names = {link.index: link.name for link in rtnl.read_links(self.netlink)}
        self.index_of = {name: index for index, name in self.names.items()}.get

    def ask(self, message: bytes) -> None:
        self.netlink.request(message)

    def routes(self, wanted: Route, **how: Any) -> list[Route]:
        return routes.read_routes(self.netlink, self.names, {wanted.slot}, {wanted.protocol}, **how)

    def rules(self, wanted: Rule) -> list[Rule]:
        return [one for one in policy_rules.read_rules(self.netlink, [wanted.family])
                if one.priority == wanted.priority]

    def shown(self, wanted: Route | Rule) -> str:
        kind = "route" if isinstance(wanted, Route) else "rule"
        text = self.namespace.ip(f"-{wanted.family} {kind} show" + " table all" * (kind == "route"))
        return " ".join(text.split())


@pytest.fixture
def kernel(lab: Any) -> Kernel:
    return Kernel(lab)


@pytest.mark.parametrize("text", ROUTES)
def test_a_route_comes_back_as_it_was_wanted(kernel: Kernel, text: str) -> None:
    wanted = route(text)
    kernel.ask(routes.encode_add(wanted, kernel.index_of))
    assert " ".join(ROUTES[text].split()) in kernel.shown(wanted)
    (have,) = kernel.routes(wanted)
    assert serves(have, wanted)
    assert have.protocol == wanted.protocol
    assert kernel.routes(wanted, others=False) == [have]
    kernel.ask(routes.encode_remove(wanted, kernel.index_of))
    assert kernel.routes(wanted) == []


@pytest.mark.parametrize("text", RULES)
def test_a_rule_comes_back_as_it_was_wanted(kernel: Kernel, text: str) -> None:
    wanted = rule(text)
    kernel.ask(policy_rules.encode_add_rule(wanted))
    assert f"1000: {RULES[text]}".split(":")[0] in kernel.shown(wanted)
    assert " ".join(RULES[text].split()) in kernel.shown(wanted)
    (have,) = kernel.rules(wanted)
    assert (have.key, have.protocol) == (wanted.key, wanted.protocol)
    with pytest.raises(NetlinkError) as again:
        kernel.ask(policy_rules.encode_add_rule(wanted))
    assert again.value.errno == errno.EEXIST
    kernel.ask(policy_rules.encode_remove_rule(wanted))
    assert kernel.rules(wanted) == []


def test_mpls_and_ila_are_encoded_as_ip_route_does_it(kernel: Kernel) -> None:
    """This kernel may not have them: then it says so, and it is not our message that it does not understand."""
    mpls, ila = "198.51.100.0/24 encap mpls 16/17 via 10.1.0.2", "2001:db8:9::/64 encap ila 1:2:3:4 via 2001:db8:1::2"
    for text in (mpls, ila):
        wanted = route(text)
        message = routes.encode_add(wanted, kernel.index_of)
        decoded = routes.decode_route(message, kernel.names)
        assert decoded is not None and fits(decoded, wanted)
        try:
            kernel.ask(message)
        except NetlinkError as error:
            assert error.errno == errno.EOPNOTSUPP
        else:
            assert serves(kernel.routes(wanted)[0], wanted)


def test_removal_never_hits_what_others_made(kernel: Kernel) -> None:
    theirs, ours = route("198.51.100.0/24 via 10.1.0.254 protocol 4 no_track"), route("198.51.100.0/24 via 10.1.0.254")
    kernel.ask(routes.encode_add(theirs, kernel.index_of))
    with pytest.raises(NetlinkError) as nothing:
        kernel.ask(routes.encode_remove(ours, kernel.index_of))
    assert nothing.value.errno == errno.ESRCH
    assert [have.protocol for have in kernel.routes(theirs)] == [4]
    their_rule, our_rule = rule("from 10.1.0.0/24 table 100 protocol 4 no_track"), rule("from 10.1.0.0/24 table 100")
    kernel.ask(policy_rules.encode_add_rule(their_rule))
    with pytest.raises(NetlinkError) as nothing:
        kernel.ask(policy_rules.encode_remove_rule(our_rule))
    assert nothing.value.errno == errno.ENOENT
    assert [have.protocol for have in kernel.rules(their_rule)] == [4]


def test_ours_comes_before_theirs_and_leaves_it_there(kernel: Kernel) -> None:
    theirs, ours = route("default via 10.1.0.9 protocol 4 no_track"), route("default via 10.1.0.254")
    kernel.ask(routes.encode_add(theirs, kernel.index_of))
    kernel.ask(routes.encode_add(ours, kernel.index_of))
    assert [have.protocol for have in kernel.routes(ours)] == [18, 4]
    kernel.ask(routes.encode_remove(ours, kernel.index_of))
    assert [have.protocol for have in kernel.routes(ours)] == [4]


def test_replacing_takes_one_step(kernel: Kernel) -> None:
    for old, new in (
        ("default via 10.1.0.254", "default via 10.1.0.253"),
        ("default via 10.1.0.253", "default via 10.1.0.253 mtu 1400"),
        ("2001:db8:9::/64 via 2001:db8:1::2", "2001:db8:9::/64 nexthop via 2001:db8:1::3 nexthop via 2001:db8:1::4"),
    ):
        kernel.ask(routes.encode_replace(route(old), kernel.index_of))
        kernel.ask(routes.encode_replace(route(new), kernel.index_of))
        assert [serves(have, route(new)) for have in kernel.routes(route(new))] == [True]


def test_what_cannot_concern_us_is_told_at_a_glance(kernel: Kernel) -> None:
    wanted = route("198.51.100.0/24 via 10.1.0.254")
    other = routes.encode_add(route("198.51.101.0/24 via 10.1.0.254 protocol 4 no_track"), kernel.index_of)
    places = routes.prefixes({wanted.slot})
    assert routes.may_be(routes.encode_add(wanted, kernel.index_of), (), places)
    assert not routes.may_be(other, {18}, places)
    assert routes.may_be(other, {4}, places)


def test_an_interface_that_is_not_there() -> None:
    with pytest.raises(LookupError):
        routes.encode_add(route("198.51.100.0/24 dev eth7"), {}.get)
