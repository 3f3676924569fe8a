"""The pairs that are played in User Mode Linux: their configuration, and what follows from it.

Shared by the one who plays (inside.py) and the one who judges (test_uml.py), so only the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

PRIORITY = {"a": 150, "b": 100}

#: Of IPv6, three kinds: link-local, one of the prefix that the hosts have as well (whose route is theirs, not ours),
#: and one of a prefix that nobody else has (whose route comes and goes with the address).
VIPS6 = ("fe80::100/64", "2001:db8::100/64", "2001:db8:77::100/64")
VIPS4 = ("192.0.2.100/24",)


@dataclass(frozen=True)
class Plan:
    """One pair; `interval` is advert_int in seconds."""

    interval: float
    vmac: bool = False

    @property
    def vips(self) -> tuple[str, ...]:
        """All virtual addresses, without prefix lengths."""
        return tuple(vip.partition("/")[0] for vip in VIPS6 + VIPS4)

    @property
    def down_interval(self) -> float:
        """Master_Down_Interval of b in seconds (RFC 9568 section 6.1)."""
        return (3 + (256 - PRIORITY["b"]) / 256) * self.interval

    @property
    def skew_time(self) -> float:
        """Skew_Time of b in seconds."""
        return (256 - PRIORITY["b"]) / 256 * self.interval

    @property
    def lease(self) -> int:
        """The lease of the addresses in seconds."""
        return max(1, floor(3 * self.interval) - 1)

    def config(self, host: str) -> str:
        """The configuration of that host."""
        return "".join(f"""
vrrp_instance {name} {{
    version 3
    interface eth0
    virtual_router_id {number}
    priority {PRIORITY[host]}
    advert_int {self.interval:g}
    {"use_vmac" if self.vmac else ""}
    virtual_ipaddress {{
        {chr(10).join(vips)}
    }}
}}
""" for name, number, vips in (("six", 66, VIPS6), ("four", 44, VIPS4)))


SCENES = {"1s": Plan(1), "0.2s": Plan(0.2), "vmac": Plan(0.5, vmac=True)}
