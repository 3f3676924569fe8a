"""What a simulated world is made of, drawn from a seed: the configuration of its routers and the speed of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from random import Random

from hakeep.config.settled import Garp, Global, HmacAuth, Settings, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address, IPAddress

KEY = b"0123456789abcdef0123456789abcdef"

#: (advert interval in seconds, how often it is drawn). Short ones make a world dear: many adverts in ten minutes.
INTERVALS = ((1.0, 50), (2.0, 14), (3.0, 8), (5.0, 5), (0.5, 14), (0.2, 6), (0.1, 3))


@dataclass(frozen=True)
class Shape:
    """One world. All its routers share everything but priority and address.

    `lane` is the longest time in seconds from a wish to the kernel having it. `sources` are the routers' own addresses.
    """

    version: int
    family: int
    interval: float
    adverts: int
    priorities: tuple[int, ...]
    sources: tuple[IPAddress, ...]
    vips: int
    lane: float
    fence: bool
    lease: bool
    auth: str
    nopreempt: bool
    preempt_delay: float
    higher_prio_send_advert: bool

    def instance(self, node: int, priority: int | None = None) -> VrrpInstance:
        """The settings of a router, by its number."""
        prefix = "10.9.0.10" if self.family == 4 else "2001:db8::10"
        return VrrpInstance(
            "V", 51, "eth0", family=self.family, version=self.version, advert_int=self.interval,
            priority=self.priorities[node] if priority is None else priority, down_timer_adverts=self.adverts,
            multicast=ip_address("224.0.0.18" if self.family == 4 else "ff02::12"),
            addresses=tuple(
                VirtualAddress(Address("", ip_address(f"{prefix}{n}"), 32 if self.family == 4 else 128))
                for n in range(self.vips)
            ),
            auth_type=self.auth if self.auth in ("PASS", "AH") else "", auth_pass=b"secret" if self.auth else b"",
            auth_hmac=HmacAuth(((1, KEY),), 1, max(5, int(3 * self.interval))) if self.auth == "HMAC" else None,
            nopreempt=self.nopreempt, preempt_delay=self.preempt_delay,
            higher_prio_send_advert=self.higher_prio_send_advert,
            garp=Garp(master_repeat=2, lower_prio_repeat=2),
            vip_fence=self.fence, vip_lease=-1.0 if self.lease else None,
        )

    def settings(self, node: int, priority: int | None = None) -> Settings:
        """The whole configuration of a router."""
        return Settings(Global(child_wait_time=10.0), (self.instance(node, priority),))

    @property
    def longest_down(self) -> float:
        """The longest down interval that any router may have, in standby too (priority 1)."""
        return self.adverts * self.interval + (255 / 256) * (self.interval if self.version == 3 else 1.0)

    @property
    def shortest_down(self) -> float:
        """No router takes over sooner after the last advert of a living master."""
        best = max(self.priorities)
        return self.adverts * self.interval + (256 - best) / 256 * (self.interval if self.version == 3 else 1.0)


def draw(random: Random) -> Shape:
    """Any world."""
    version = random.choice((2, 3))
    interval = random.choices([value for value, _ in INTERVALS], [weight for _, weight in INTERVALS])[0]
    if version == 2 and interval < 1:
        version = 3
    family = random.choice((4, 4, 6)) if version == 3 else 4
    nodes = random.choice((2, 2, 2, 3, 3, 4, 5))
    hosts = random.sample(range(5, 90), nodes)
    own = "10.9.0.{}" if family == 4 else "fe80::{}"
    auth = random.choice(("", "", "", "PASS", "AH")) if version == 2 else ""
    if interval >= 0.5 and random.random() < 0.15:
        auth = "HMAC"
    # Two equal routers with AH that become MASTER within the flight of a packet count in step and refuse each other,
    # until their timers drift apart. That is AH's nature (one sequence for all), so it is not asked for here.
    if auth != "AH" and random.random() < 0.15:
        priorities = [random.choice((1, 100, 254))] * nodes
    else:
        priorities = random.sample(range(1, 255), nodes)
        if random.random() < 0.15:
            priorities[random.randrange(nodes)] = 255
    owner = 255 in priorities
    fence, lease = random.choice(((True, True), (True, True), (False, True), (True, False)))
    return Shape(
        version, family, interval, random.choice((3, 3, 3, 2, 5, 1)), tuple(priorities),
        tuple(ip_address(own.format(host)) for host in hosts), random.choice((1, 1, 2, 3)),
        random.choice((0.0003, 0.002, 0.02)), fence, lease, auth,
        nopreempt=not owner and random.random() < 0.2,
        preempt_delay=random.choice((0.0, 0.0, 0.0, 3.0, 20.0)) if not owner else 0.0,
        higher_prio_send_advert=random.random() < 0.5,
    )
