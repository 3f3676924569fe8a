"""Virtual servers that hakeepd and keepalived shall bring to the same table, through the same failures.

All stand in one file, and each has its own addresses, marks and ports, so that its lines in the table can be told from
those of the others. In the texts of a case, {v} and {r} are its networks for virtual and real servers ("10.1.7."),
{v6} and {r6} those of IPv6, {mark} is a mark that no other case has ({mark}0 to {mark}9 neither), and real server N has
the file {files}-N while it is well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

#: The moments at which tables are compared, and which real servers are ill then. At "changed" and after it the
#: configuration is that of `Case.later`.
MOMENTS: dict[str, frozenset[int]] = {
    "started": frozenset(),
    "one is ill": frozenset({1}),
    "two are ill": frozenset({1, 2}),
    "all are ill": frozenset({1, 2, 3}),
    "one is back": frozenset({2, 3}),
    "two are back": frozenset({3}),
    "changed": frozenset({3}),
    "all are back": frozenset(),
}


@dataclass(frozen=True)
class Server:
    """A real server. `check` is "tcp" (a port that is open or not), "misc" (a file that is there or not) or ""."""

    number: int
    where: str
    options: str = ""
    check: str = "tcp"


V4 = tuple(Server(n, f"{{r}}{n} 80") for n in (1, 2, 3))
V6 = tuple(Server(n, f"{{r6}}{n} 80") for n in (1, 2, 3))


@dataclass(frozen=True)
class Case:
    """A virtual server: where it is, and what stands in it besides real servers. At "changed" its first server gets
    another weight, the second goes and a fourth comes; where there are, the `later` options and group are in force.
    `there` says in which configuration it is at all."""

    name: str
    options: str = "lvs_sched rr"
    where: str = "{v}1 80"
    servers: tuple[Server, ...] = V4
    later: str = ""
    protocol: str = "protocol TCP"
    group: str = ""
    group_later: str = ""
    there: str = "both"

    def changed(self) -> Case:
        first, _, *rest = self.servers
        heavier = replace(first, options=first.options + "\nweight 7")
        fourth = replace(first, number=4, where=first.where.replace("}1", "}4"))
        return replace(self, servers=(heavier, *rest, fourth), options=self.later or self.options,
                       group=self.group_later or self.group)


def given(*options: str, servers: tuple[Server, ...] = V4) -> tuple[Server, ...]:
    """The real servers with these options, in their order."""
    return tuple(replace(server, options=text) for server, text in zip(servers, options, strict=True))


WEIGHED = given("weight 1", "weight 2", "weight 3")
MISC = tuple(replace(server, check="misc") for server in V4)

CASES = (
    *(Case(f"scheduler {name}", f"lvs_sched {name}", later="lvs_sched wrr") for name in (
        "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf")),
    Case("no scheduler", ""),
    Case("flags of sh", "lvs_sched sh\nsh-port\nsh-fallback", later="lvs_sched rr"),
    Case("flags of mh", "lvs_sched mh\nmh-port\nmh-fallback"),
    Case("sh gets a flag", "lvs_sched sh\nsh-port", later="lvs_sched sh\nsh-port\nsh-fallback"),
    Case("persistence", "lvs_sched rr\npersistence_timeout 50", later="lvs_sched rr\npersistence_timeout 70"),
    Case("persistence of 360 s", "lvs_sched rr\npersistence_timeout"),
    Case("persistence begins later", "lvs_sched rr", later="lvs_sched rr\npersistence_timeout 30"),
    Case("granularity", "lvs_sched wlc\npersistence_timeout 50\npersistence_granularity 255.255.255.0"),
    Case("granularity of IPv6", "lvs_sched wlc\npersistence_timeout 50\npersistence_granularity 64", "{v6}1 80", V6),
    Case("mark", "lvs_sched wlc", "fwmark {mark}", protocol=""),
    Case("mark with persistence", "lvs_sched rr\nlvs_method DR\npersistence_timeout 60", "fwmark {mark}", protocol=""),
    Case("mark of IPv6", "lvs_sched rr\nip_family inet6", "fwmark {mark}", V6, protocol=""),
    Case("group", "lvs_sched rr", "group {name}", group="{v}1 80\n{v}2 8080"),
    Case("group with a range", "lvs_sched wrr", "group {name}", WEIGHED, group="{v}1-4 80"),
    Case("group that grows and shrinks", "lvs_sched wrr", "group {name}", WEIGHED, group="{v}1-3 80\nfwmark {mark}1",
         group_later="{v}2-4 80\nfwmark {mark}2"),
    Case("group that changes", "lvs_sched wrr", "group {name}", WEIGHED, group="{v}1 80\nfwmark {mark}1",
         group_later="{v}1 80\n{v}2 80"),
    Case("group of marks", "lvs_sched wrr", "group {name}", group="fwmark {mark}1\nfwmark {mark}2", protocol=""),
    Case("group of both", "lvs_sched wrr", "group {name}", WEIGHED, group="{v}1-2 80\nfwmark {mark}1"),
    Case("DR", "lvs_sched rr\nlvs_method DR"),
    Case("TUN", "lvs_sched rr\nlvs_method TUN"),
    Case("GUE", "lvs_sched rr\nlvs_method TUN type gue port 6080"),
    Case("GUE with a checksum", "lvs_sched rr\nlvs_method TUN type gue port 6081 csum"),
    Case("GRE", "lvs_sched rr\nlvs_method TUN type gre"),
    Case("methods of their own", "lvs_sched rr", servers=given("lvs_method DR", "lvs_method TUN", "lvs_method NAT")),
    Case("weights", "lvs_sched wrr", servers=given("weight 0", "weight 1", "weight 65535")),
    Case("weight of all", "lvs_sched wrr\nweight 9"),
    Case("thresholds", "lvs_sched wlc", servers=given(
        "uthreshold 100\nlthreshold 50", "uthreshold 10", "")),
    Case("other ports", "lvs_sched rr", servers=tuple(
        replace(server, where=server.where.replace(" 80", f" 808{server.number}")) for server in V4)),
    Case("sorry", "lvs_sched rr\nsorry_server {r}9 80"),
    Case("sorry by DR", "lvs_sched rr\nsorry_server {r}9 80\nsorry_server_lvs_method DR"),
    Case("sorry with inhibit", "lvs_sched rr\nsorry_server {r}9 80\nsorry_server_inhibit"),
    Case("sorry at a quorum", "lvs_sched wrr\nsorry_server {r}9 80\nquorum 3\nhysteresis 1", servers=given(
        "weight 1", "weight 2", "weight 2")),
    Case("sorry at a quorum, inhibit", "lvs_sched wrr\nsorry_server {r}9 80\nquorum 2\ninhibit_on_failure"),
    Case("quorum without sorry", "lvs_sched wrr\nquorum 3\nhysteresis 2", servers=WEIGHED),
    Case("inhibit", "lvs_sched rr\ninhibit_on_failure"),
    Case("inhibit of one", "lvs_sched rr", servers=given("inhibit_on_failure", "", "")),
    Case("alpha", "lvs_sched rr\nalpha"),
    Case("alpha with inhibit and sorry", "lvs_sched rr\nalpha\ninhibit_on_failure\nsorry_server {r}9 80"),
    Case("omega", "lvs_sched rr\nomega"),
    Case("IPv6", "lvs_sched rr", "{v6}1 80", V6),
    Case("IPv6 by DR", "lvs_sched wlc\nlvs_method DR", "{v6}1 80", V6),
    Case("IPv4 through IPv6", "lvs_sched rr\nlvs_method TUN", servers=V6),
    Case("UDP", "lvs_sched rr", protocol="protocol UDP"),
    Case("single packets", "lvs_sched rr\nops", protocol="protocol UDP"),
    Case("SCTP", "lvs_sched rr", protocol="protocol SCTP"),
    Case("no protocol", "lvs_sched rr", protocol=""),
    Case("all ports", "lvs_sched rr\npersistence_timeout 40", "{v}1 0", tuple(
        replace(server, where=server.where.replace(" 80", " 0")) for server in V4)),
    Case("all ports, no persistence", "lvs_sched rr", "{v}1 0", tuple(
        replace(server, where=server.where.replace(" 80", " 0")) for server in V4)),
    Case("SIP", "lvs_sched rr\npersistence_timeout 40\npersistence_engine sip", protocol="protocol UDP"),
    Case("scripts", "lvs_sched rr", servers=MISC),
    Case("scripts and inhibit", "lvs_sched wrr\ninhibit_on_failure", servers=MISC),
    Case("goes", there="before"),
    Case("comes", there="after"),
    Case("persistence ends", "lvs_sched rr\npersistence_timeout 50", later="lvs_sched rr"),
    Case("sorry comes later", "lvs_sched rr", later="lvs_sched rr\nsorry_server {r}9 80"),
    Case("sorry goes", "lvs_sched rr\nsorry_server {r}9 80", later="lvs_sched rr"),
    Case("NAT becomes DR", "lvs_sched rr\nlvs_method NAT", later="lvs_sched rr\nlvs_method DR"),
    Case("some are not checked", "lvs_sched rr", servers=(V4[0], replace(V4[1], check=""), replace(V4[2], check=""))),
)


#: Where the two differ on purpose: case -> moments, and why.
DIFFERENCES: dict[str, tuple[frozenset[str], str]] = {
    "group that changes": (
        frozenset({"changed", "all are back", "stopped"}),
        "a service that leaves its group stays in keepalived's table, empty, and one that came is never removed (J.9)"),
    "group that grows and shrinks": (
        frozenset({"changed", "all are back", "stopped"}),
        "the same with ranges that overlap: keepalived removes none of the old services, and at its end none at all"),
    "NAT becomes DR": (
        frozenset({"changed"}),
        "keepalived sets the new method of a server that is ill, and so puts it into the table again (F.2)"),
}

#: Where the files are that tell who is well.
FILES = Path("/run")


def port(case: int, server: int) -> int:
    """Where on 127.0.0.1 the check of a server connects to."""
    return 10000 + 10 * case + server


def words(case: int) -> dict[str, str]:
    """What the names in braces stand for."""
    n = case + 1
    return {
        "v": f"10.1.{n}.", "r": f"10.2.{n}.", "v6": f"2001:db8:1:{n}::", "r6": f"2001:db8:2:{n}::",
        "mark": str(100 + n), "name": f"group{n}", "files": str(FILES / str(n))}


def text(case: int, *, changed: bool = False) -> str:
    """The part of the configuration that is this case's."""
    plan = CASES[case].changed() if changed else CASES[case]
    lines = [f"virtual_server_group {{name}} {{{{\n{plan.group}\n}}}}"] if plan.group else []
    lines += [f"virtual_server {plan.where} {{{{", plan.protocol, plan.options]
    lines += ["delay_loop 3\nwarmup 0\nretry 1\ndelay_before_retry 1"]
    for server in plan.servers:
        lines += [f"real_server {server.where} {{{{", server.options]
        if server.check == "tcp":
            lines += ["TCP_CHECK {{\nconnect_ip 127.0.0.1", f"connect_port {port(case, server.number)}",
                      "connect_timeout 2\n}}"]
        elif server.check == "misc":
            lines += [f"MISC_CHECK {{{{\nmisc_path \"/usr/bin/test -e {{files}}-{server.number}\"\n}}}}"]
        lines.append("}}")
    return "\n".join((*lines, "}}")).format(**words(case)) + "\n"


def configuration(*, changed: bool = False) -> str:
    """All cases in one file."""
    head = "global_defs {\nrouter_id test\nscript_user root\n}\n"
    absent = "before" if changed else "after"
    return head + "".join(text(n, changed=changed) for n, case in enumerate(CASES) if case.there != absent)


def owned(case: int, table: str) -> list[str]:
    """The lines of `ipvsadm -S -n` that are this case's, sorted."""
    told = words(case)
    marks = {told["mark"], *(f"{told['mark']}{n}" for n in range(10))}
    found = []
    for line in table.splitlines():
        _, kind, name, *_ = line.split()
        mine = name in marks if kind == "-f" else name.startswith((told["v"], f"[{told['v6']}"))
        if mine:
            found.append(line.strip())
    return sorted(found)


def differ(case: int, moment: str) -> bool:
    """Whether the two tables of a case differ then, on purpose."""
    moments, _ = DIFFERENCES.get(CASES[case].name, (frozenset(), ""))
    return moment in moments


def agree(moment: str, one: str, other: str) -> bool:
    """Whether two tables are the same where they should be."""
    return all(differ(n, moment) or owned(n, one) == owned(n, other) for n in range(len(CASES)))
