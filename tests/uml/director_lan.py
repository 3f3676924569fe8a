"""Real packets, inside User Mode Linux: a client, directors and real servers on one Ethernet segment.

The segment has four networks, so that answers take the way that each method wants: 203.0.113.0/24 and 2001:db8:3::/64
(NAT: servers answer through their default route, the director) and 192.0.2.0/24 and 2001:db8:1::/64 (DR and tunnels:
servers answer the client themselves). Servers are in 198.51.100.0/24 and 2001:db8:2::/64 as well.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import inside
from director_host import HAKEEPD, Director

SERVERS = {"r1": 21, "r2": 22, "r3": 23}
CLIENT, DIRECTORS = 200, {"a": 11, "b": 12}

#: Addresses that the client may ask from, besides its own.
CLIENTS = [f"203.0.113.{n}" for n in range(201, 217)]

#: RST instead of FIN: the kernel forgets such a connection after 10 s, others after 120.
_ABORT = struct.pack("ii", 1, 0)

WAY_BACK, WAY_BACK_6 = "198.51.100.1", "2001:db8:2::1"


class Machine(Director):
    """A host on the segment, with what runs on it."""

    def __init__(self, scene: str, name: str, addresses: Sequence[str], config: str = "", words: Sequence[str] = ()):
        super().__init__(scene, name, config, words)
        port = f"p{self.namespace}"[:15]
        inside.command("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        inside.command("ip", "link", "set", port, "master", f"br-{scene}", "up")
        with self.inside():
            for path, value in (("ipv6/conf/eth0/accept_dad", 0), ("ipv6/conf/eth0/dad_transmits", 0),
                                ("ipv4/conf/all/send_redirects", 0), ("ipv4/conf/eth0/send_redirects", 0),
                                ("ipv6/conf/eth0/accept_redirects", 0)):  # one segment: a router would show short cuts
                Path("/proc/sys/net", path).write_text(str(value))
        self.ip("link set eth0 up")
        for address in addresses:
            self.ip(f"addr add {address} dev eth0" + (" nodad" if ":" in address else ""))

    def reload(self, config: str) -> None:
        """Another configuration, taken."""
        before = self.said("Reload complete")
        self.config.write_text(config)
        self.send(signal.SIGHUP)
        inside.wait_until(lambda: self.said("Reload complete") > before, "a reload")


class Real(Machine):
    """A real server. To every line, datagram and SCTP message it answers who it is, at which port, and whom it talks
    with."""

    def __init__(self, scene: str, name: str) -> None:
        n = SERVERS[name]
        super().__init__(scene, name, [f"198.51.100.{n}/24", f"192.0.2.{n}/24",
                                       f"2001:db8:2::{n}/64", f"2001:db8:1::{n}/64"])
        self.ip(f"route add default via {WAY_BACK}")
        self.ip(f"-6 route add default via {WAY_BACK_6} dev eth0")
        self.listeners: dict[int, socket.socket] = {}
        for port in (80, 8084, 8085, 8089):
            self.open(port)
        with self.inside():
            Path("/proc/sys/net/sctp/cookie_hmac_alg").write_text("none")  # this kernel may have no algorithm for it
            datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            messages = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        for each in (datagrams, messages):
            each.bind((f"198.51.100.{n}", 80))  # one address: else SCTP tells its peer of all
        messages.listen(100)
        threading.Thread(target=self._answer, args=(datagrams,), daemon=True).start()
        threading.Thread(target=self._accept, args=(messages, 80), daemon=True).start()

    def open(self, port: int) -> None:
        with self.inside():
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100)
        self.listeners[port] = listener
        threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def take_tunnels(self) -> None:
        """What comes in GUE, in GRE, or as IPv4 in IPv6 is taken out (`hakeep realserver` cannot prepare for these)."""
        self.ip(f"fou add port {GUE_PORT} gue")
        self.ip("link set gre0 up")
        n, a = SERVERS[self.name], DIRECTORS["a"]  # between two such ends, gre0 and ip6tnl0 get nothing any more
        self.ip(f"link add mixed up type ip6tnl mode ipip6 local 2001:db8:2::{n} remote 2001:db8:2::{a}")
        self.ip(f"link add sums up type gre local 198.51.100.{n} remote 198.51.100.{a} icsum")
        with self.inside():
            for interface in ("all", "gre0", "mixed", "sums"):
                Path("/proc/sys/net/ipv4/conf", interface, "rp_filter").write_text("0")

    def close_port(self, port: int) -> None:
        """Nobody listens any more; who is connected stays so."""
        listener = self.listeners.pop(port)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()

    def _accept(self, listener: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = listener.accept()
                threading.Thread(target=self._serve, args=(connection, port, peer[0]), daemon=True).start()

    def _answer(self, datagrams: socket.socket) -> None:
        while True:
            _, (peer, port) = datagrams.recvfrom(100)
            datagrams.sendto(self._words(80, peer), (peer, port))

    def _words(self, port: int, peer: str) -> bytes:
        return f"{self.name}:{port} {peer.removeprefix('::ffff:')}\n".encode()

    def _serve(self, connection: socket.socket, port: int, peer: str) -> None:
        answer = self._words(port, peer)
        with contextlib.suppress(OSError), connection:
            while connection.recv(100):
                connection.sendall(answer)


class Lan:
    """One segment with everybody on it."""

    def __init__(self, scene: str, directors: dict[str, str], words: Sequence[str]) -> None:
        self.scene = scene
        inside.command("ip", "link", "add", f"br-{scene}", "type", "bridge", "forward_delay", "0")
        inside.command("ip", "link", "set", f"br-{scene}", "up")
        networks = ("203.0.113.{}/24", "192.0.2.{}/24", "2001:db8:3::{}/64", "2001:db8:1::{}/64")
        self.client = Machine(scene, "client", [*(each.format(CLIENT) for each in networks),
                                                *(f"{each}/24" for each in CLIENTS)])
        self.reals = {name: Real(scene, name) for name in SERVERS}
        self.directors = {}
        for name, config in directors.items():
            addresses = (*networks, "198.51.100.{}/24", "2001:db8:2::{}/64")
            one = Machine(scene, name, [each.format(DIRECTORS[name]) for each in addresses], config, words)
            with one.inside():
                for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                    Path("/proc/sys/net", path).write_text("1")
            self.directors[name] = one

    def connect(self, vip: str, port: int, source: str = "") -> Talk:
        """A connection of the client."""
        with self.client.inside():
            return Talk(socket.create_connection((vip, port), 2, (source, 0) if source else None))

    def ask(self, vip: str, port: int, source: str = "") -> str:
        """What one who asks is answered; "" where nobody answers."""
        try:
            with contextlib.closing(self.connect(vip, port, source)) as talk:
                return talk.ask()
        except OSError:
            return ""

    def ask_by(self, kind: int, protocol: int, vip: str) -> str:
        """The same by datagrams or SCTP, at port 80."""
        with self.client.inside():
            made = socket.socket(socket.AF_INET, kind, protocol)
        with made:
            made.settimeout(2)
            try:
                made.bind((f"203.0.113.{CLIENT}", 0))
                made.connect((vip, 80))
                made.send(b"who?\n")
                return made.recv(200).decode().strip()
            except OSError:
                return ""

    def end(self) -> dict[str, str]:
        """Nothing runs any more; what the directors said."""
        for one in self.directors.values():
            one.end()
        return {name: one.log.read_text(errors="replace") for name, one in self.directors.items()}


class Talk:
    """A connection that can be asked again and again."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)

    def ask(self) -> str:
        """Who answers, "" when nobody does."""
        try:
            self._socket.sendall(b"who?\n")
            return self._socket.recv(200).decode().strip()
        except OSError:
            return ""

    def close(self) -> None:
        self._socket.close()


#: A check that is well as soon as somebody listens.
LISTENS = "TCP_CHECK {\nconnect_timeout 2\n}"


def virtual(where: str, options: str, *reals: str, check: str = LISTENS, protocol: str = "TCP") -> str:
    """A virtual server; `reals` are "IP PORT", "IP PORT WEIGHT", or that with options, each on a line of its own."""
    lines = [f"virtual_server {where} {{", f"protocol {protocol}", options,
             "delay_loop 1\nwarmup 0\nretry 1\ndelay_before_retry 0.5"]
    for real in reals:
        ip, port, *weight = real.split(maxsplit=2)
        lines += [f"real_server {ip} {port} {{", f"weight {weight[0]}" if weight else "", check, "}"]
    return "\n".join((*lines, "}")) + "\n"


NAT4 = [f"198.51.100.{n}" for n in SERVERS.values()]
NAT, NAT_6, DR, TUN, DR_6 = "203.0.113.100", "2001:db8:3::100", "192.0.2.100", "192.0.2.101", "2001:db8:1::100"
TUN_6, FOUR_IN_SIX, SIX_IN_FOUR = "2001:db8:1::101", "192.0.2.104", "2001:db8:1::104"
GUE_PORT = 6080

#: Tunnels that are not of IP in IP: their virtual servers, and how they are made.
GUE = {"192.0.2.102": "", "192.0.2.105": "csum", "192.0.2.106": "remcsum"}
GRE = {"192.0.2.103": "", "192.0.2.107": "csum"}

#: The addresses of a group that nftables_ipvs makes one service of. This kernel has no nftables that could mark
#: packets, so tc(8) does, by what `hakeep.lvs.marks` has in its first mark.
GROUP, MARK = ("203.0.113.104", "203.0.113.105"), 1000


def packet_config(*, drained: bool = False) -> str:
    """One virtual server for each thing that is tried."""
    three = [f"{ip} 80" for ip in NAT4]
    near = [f"192.0.2.{n} 80" for n in SERVERS.values()]
    far_6 = [f"2001:db8:2::{n} 80" for n in SERVERS.values()]
    near_6 = [f"2001:db8:1::{n} 80" for n in SERVERS.values()]
    return "".join((
        "global_defs {\nnftables_ipvs\n}\n",
        f"virtual_server_group shop {{\n{GROUP[0]}-{GROUP[1].rpartition('.')[2]} 80\n{NAT_6} 8080\n}}\n",
        virtual("group shop", "lvs_sched rr\nlvs_method NAT", *three),
        virtual(f"{NAT} 80", "lvs_sched rr\nlvs_method NAT", *three, protocol="UDP"),
        virtual(f"{NAT} 80", "lvs_sched rr\nlvs_method NAT", *three, protocol="SCTP"),
        *(virtual(f"{vip} 80", f"lvs_sched rr\nlvs_method TUN type gue port {GUE_PORT} {checksum}", *near)
          for vip, checksum in GUE.items()),
        *(virtual(f"{vip} 80", f"lvs_sched rr\nlvs_method TUN type gre {checksum}", *(three if checksum else near))
          for vip, checksum in GRE.items()),
        virtual(f"{NAT} 80", "lvs_sched rr\nlvs_method NAT", *three),
        virtual(f"{NAT} 81", "lvs_sched wrr\nlvs_method NAT",
                *(f"{ip} 80 {weight}" for ip, weight in zip(NAT4, (3, 1, 2), strict=True))),
        virtual(f"{NAT} 82", "lvs_sched sh\nlvs_method NAT", *three),
        virtual(f"{NAT} 83", "lvs_sched rr\nlvs_method NAT\npersistence_timeout 12", *three),
        virtual(f"{NAT} 84", f"lvs_sched rr\nlvs_method NAT\nsorry_server {NAT4[2]} 8089", f"{NAT4[0]} 8084"),
        virtual(f"{NAT} 85", "lvs_sched rr\nlvs_method NAT\ninhibit_on_failure", f"{NAT4[0]} 8085", f"{NAT4[1]} 8085"),
        virtual(f"{NAT} 86", "lvs_sched rr\nlvs_method NAT", f"{NAT4[0]} 80 {int(not drained)}", f"{NAT4[1]} 80 1"),
        virtual(f"{NAT_6} 80", "lvs_sched rr\nlvs_method NAT", *far_6),
        virtual(f"{DR} 80", "lvs_sched rr\nlvs_method DR", *near),
        virtual(f"{DR_6} 80", "lvs_sched rr\nlvs_method DR", *near_6),
        virtual(f"{TUN} 80", "lvs_sched rr\nlvs_method TUN", *near),
        virtual(f"{TUN_6} 80", "lvs_sched rr\nlvs_method TUN", *near_6),
        virtual(f"{FOUR_IN_SIX} 80", "lvs_sched rr\nlvs_method TUN", *far_6),
        virtual(f"{SIX_IN_FOUR} 80", "lvs_sched rr\nlvs_method TUN", *near),
    ))


def mark(director: Machine, marks: Mapping[str, int]) -> None:
    """Packets for these addresses or networks have these marks."""
    with director.inside():
        inside.command("tc", "qdisc", "add", "dev", "eth0", "ingress")
        for each, number in marks.items():
            inside.command("tc", "filter", "add", "dev", "eth0", "parent", "ffff:", "protocol", "ip", "u32", "match",
                           "ip", "dst", each, "action", "skbedit", "mark", str(number))


def take(director: Machine, *addresses: str) -> None:
    """The director has these."""
    for each in addresses:
        # Not preferred, as a vrrp_instance has /128: else checks would come from an address that real servers have.
        director.ip(f"addr add {each} dev eth0" + (" nodad preferred_lft 0" if ":" in each else ""))


def packets(lan: Lan) -> Iterator[tuple[str, Any]]:
    """What the client is answered, thing by thing."""
    director, wait = lan.directors["a"], inside.wait_until
    take(director, NAT, NAT_6, DR, DR_6, TUN, TUN_6, FOUR_IN_SIX, SIX_IN_FOUR, WAY_BACK, WAY_BACK_6, *GUE, *GRE,
         *GROUP)
    for real in lan.reals.values():
        real.tool("realserver", "add", DR, DR_6, FOUR_IN_SIX, *GRE)
        real.tool("realserver", "add", "--tun", TUN, SIX_IN_FOUR, *GUE)
        real.tool("realserver", "add", "--tun", "--ipv6", TUN_6)
        real.take_tunnels()
    mark(director, {f"{each}/32": MARK for each in GROUP})
    director.start()
    wait(lambda: director.table().count("-A ") == 23, "the table")
    yield "table", director.table()

    for name, vip in (("NAT", NAT), ("NAT of IPv6", NAT_6), ("DR", DR), ("DR of IPv6", DR_6), ("TUN", TUN),
                      ("TUN of IPv6", TUN_6), ("IPv4 in IPv6", FOUR_IN_SIX), ("IPv6 in IPv4", SIX_IN_FOUR),
                      *((f"GUE {checksum}".strip(), vip) for vip, checksum in GUE.items()),
                      *((f"GRE {checksum}".strip(), vip) for vip, checksum in GRE.items())):
        yield name, [lan.ask(vip, 80) for _ in range(6)]
    yield "UDP", [lan.ask_by(socket.SOCK_DGRAM, 0, NAT) for _ in range(6)]
    yield "SCTP", [lan.ask_by(socket.SOCK_STREAM, socket.IPPROTO_SCTP, NAT) for _ in range(6)]
    yield "group", [lan.ask(vip, 80) for _ in range(3) for vip in GROUP]
    yield "first of persistence", lan.ask(NAT, 83)
    yield "rr", [lan.ask(NAT, 80) for _ in range(30)]
    yield "wrr", [lan.ask(NAT, 81) for _ in range(24)]
    yield "sh", [[lan.ask(NAT, 82, client) for _ in range(2)] for client in CLIENTS]
    yield "persistence", [lan.ask(NAT, 83) for _ in range(5)]

    yield "before the sorry server", lan.ask(NAT, 84)
    lan.reals["r1"].close_port(8084)
    wait(lambda: f"{NAT4[2]}:8089" in director.table(), "the sorry server comes")
    yield "the sorry server", [lan.ask(NAT, 84) for _ in range(3)]
    lan.reals["r1"].open(8084)
    wait(lambda: f"{NAT4[2]}:8089" not in director.table(), "the sorry server goes")
    yield "after the sorry server", [lan.ask(NAT, 84) for _ in range(3)]

    with contextlib.closing(_to(lan, 85, "r1")) as talk:
        lan.reals["r1"].close_port(8085)
        wait(lambda: f"{NAT}:85 -r {NAT4[0]}:8085 -m -w 0" in director.table(), "r1 is inhibited")
        yield "inhibit: who is connected", talk.ask()
        yield "inhibit: others", [lan.ask(NAT, 85) for _ in range(4)]

    with contextlib.closing(_to(lan, 86, "r1")) as talk:
        director.reload(packet_config(drained=True))
        wait(lambda: f"{NAT}:86 -r {NAT4[0]}:80 -m -w 0" in director.table(), "r1 is drained")
        yield "drained: who is connected", talk.ask()
        yield "drained: others", [lan.ask(NAT, 86) for _ in range(4)]

    time.sleep(14)  # no connection of the persistent client lives any longer, nor does what it is known by
    yield "after persistence", lan.ask(NAT, 83)


def _to(lan: Lan, port: int, server: str) -> Talk:
    """A connection that this real server has."""
    while True:
        talk = lan.connect(NAT, port)
        if talk.ask().startswith(server):
            return talk
        talk.close()


def failover_config(priority: int) -> str:
    """The service and the way back on one instance, and connections told to the other director."""
    return f"""
global_defs {{
    lvs_sync_daemon eth0 web id 7
}}
vrrp_instance web {{
    version 3
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        {NAT}/24 dev eth0
        {WAY_BACK}/24 dev eth0
    }}
}}
""" + virtual(f"{NAT} 80", "lvs_sched rr\nlvs_method NAT", *(f"{ip} 80" for ip in NAT4))


def failover(lan: Lan) -> Iterator[tuple[str, Any]]:
    """The master is killed while the client asks."""
    a, b = lan.directors.values()
    wait, clock = inside.wait_until, time.monotonic
    for one in (a, b):
        one.start()
    wait(lambda: f" {NAT}/" in a.ip("-o addr show") and all(one.table().count("-a ") == 3 for one in (a, b)), "service")
    wait(lambda: "master" in a.ipvsadm("-L --daemon") and "backup" in b.ipvsadm("-L --daemon"), "synchronisation")
    yield "daemons before", [one.ipvsadm("-L --daemon") for one in (a, b)]
    yield "our view of them", [one.hakeep_ipvs("-L --daemon") for one in (a, b)]
    yield "answers before", [lan.ask(NAT, 80) for _ in range(6)]
    with contextlib.closing(lan.connect(NAT, 80)) as talk:
        yield "a connection", talk.ask()
        time.sleep(3)  # the kernel tells the other director of it
        killed = clock()
        inside.send(signal.SIGKILL, [int(pid) for pid in
                                            inside.command("ip", "netns", "pids", a.namespace).split()])
        a.ip("link set eth0 down")  # the machine is gone, and with it what its kernel would answer
        wait(lambda: f" {NAT}/" in b.ip("-o addr show"), "b takes over")
        moved = clock()
        yield "answers after", [lan.ask(NAT, 80) for _ in range(6)]
        yield "seconds", [moved - killed, clock() - moved]
        yield "the connection after", talk.ask()
    wait(lambda: "master" in b.ipvsadm("-L --daemon"), "b tells others")
    yield "daemons after", b.ipvsadm("-L --daemon")


def play(scene: str, configs: dict[str, str], words: Sequence[str], steps: Callable[[Lan], Iterator[Any]]) -> Any:
    """What was seen in a scene's steps, and what the directors said, that have these configurations and options."""
    lan = Lan(scene, configs, (*HAKEEPD, *words))
    record: dict[str, Any] = {"seen": {}}
    try:
        record["seen"].update(steps(lan))
    except Exception as error:
        record["trouble"] = repr(error)
        record["tables"] = {key: one.table() for key, one in lan.directors.items()}
    finally:
        record["logs"] = lan.end()
    return record
