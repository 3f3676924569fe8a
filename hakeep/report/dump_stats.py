"""keepalived.stats, what SIGUSR2 writes: counters under headings, an instance after the other.

Collectors read it by indentation and heading, so both are kept to the blank.
"""

from __future__ import annotations

from collections.abc import Iterable

from hakeep.config.settled import Settings
from hakeep.report.dump_json import paired
from hakeep.report.snapshot import RouterSnapshot

#: Heading -> (label, counter). A heading of "" is none: the label stands by itself.
LAYOUT: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Advertisements", (("Received", "advert_rcvd"), ("Sent", "advert_sent"))),
    ("", (("Became master", "become_master"), ("Released master", "release_master"))),
    (
        "Packet Errors",
        (
            ("Length", "packet_len_err"),
            ("TTL", "ip_ttl_err"),
            ("Invalid Type", "invalid_type_rcvd"),
            ("Advertisement Interval", "advert_interval_err"),
            ("Address List", "addr_list_err"),
        ),
    ),
    (
        "Authentication Errors",
        (
            ("Invalid Type", "invalid_authtype"),
            ("Type Mismatch", "authtype_mismatch"),
            ("Failure", "auth_failure"),
        ),
    ),
    (
        "Authentication Extension Errors",
        (
            ("Missing", "auth_ext_missing"),
            ("Malformed", "auth_ext_malformed"),
            ("Unknown Key", "auth_ext_unknown_key"),
            ("Invalid HMAC", "auth_ext_invalid_hmac"),
            ("Stale", "auth_ext_stale"),
            ("Replay", "auth_ext_replay"),
        ),
    ),
    ("Priority Zero", (("Received", "pri_zero_rcvd"), ("Sent", "pri_zero_sent"))),
)


def render_stats(settings: Settings, routers: Iterable[RouterSnapshot]) -> str:
    """The whole file, in the order of the configuration."""
    lines: list[str] = []
    for instance, router in paired(settings, routers):
        lines.append(f"VRRP Instance: {instance.name}")
        for heading, counters in LAYOUT:
            if heading:
                lines.append(f"  {heading}:")
            indent = "    " if heading else "  "
            lines += [f"{indent}{label}: {router.counters.get(name, 0)}" for label, name in counters]
    return "".join(f"{line}\n" for line in lines)
