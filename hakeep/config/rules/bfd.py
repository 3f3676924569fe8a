"""BFD sessions: what keeps one from ever coming up."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, error, rule, warning
from hakeep.config.rules.view import View
from hakeep.config.schema import Plain
from hakeep.config.span import Span
from hakeep.objects.rtnl import IPAddress


@rule(Code.BFD_NEIGHBOR)
def bfd_neighbor(view: View) -> Iterator[Found]:
    """A BFD session that cannot be with this neighbor

    Both ends of a session are of one family, so a source_ip of the other one leaves nothing to send from. There is one
    session with a neighbor: packets of a second one could not be told from those of the first. A link-local neighbor
    (fe80::) can only be reached over an interface that is named, and a bfd_instance names none. A session to a neighbor
    behind routers (multihop) needs max_hops, or every packet that came over a router is dropped.

    Example::

        bfd_instance peer {
            neighbor_ip 192.0.2.12
            source_ip 2001:db8::11
        }

    Cure::

        bfd_instance peer {
            neighbor_ip 192.0.2.12
            source_ip 192.0.2.11
        }
    """
    known: dict[IPAddress, Plain] = {}
    for bfd in view.config.bfd_instance:
        neighbor, source = bfd.get("neighbor_ip"), bfd.get("source_ip")
        if neighbor is None:
            continue
        if source is not None and source.version != neighbor.version:
            yield error(f"bfd_instance {bfd.name}: {source} and {neighbor} are not of the same family",
                        bfd.span("source_ip", word=1), also=(bfd.span("neighbor_ip"), "the neighbor"),
                        note="the session is left out")
        elif neighbor in known:
            yield error(f"bfd_instance {bfd.name}: there is a session with {neighbor} already",
                        bfd.span("neighbor_ip", word=1), also=(known[neighbor].span("neighbor_ip"), "the first one"),
                        note="this one is left out")
        else:
            known[neighbor] = bfd
            yield from _unreachable(bfd, neighbor)


def _unreachable(bfd: Plain, neighbor: IPAddress) -> Iterator[Found]:
    if neighbor.is_link_local and neighbor.version == 6:
        yield warning(f"bfd_instance {bfd.name}: {neighbor} cannot be reached without an interface",
                      bfd.span("neighbor_ip", word=1), fix="use an address that is not link-local")
    if bfd.get("multihop") and not bfd.get("max_hops"):
        yield warning(f"bfd_instance {bfd.name}: packets that come over a router are dropped", bfd.span("multihop"),
                      fix="max_hops says how many routers there may be")


@rule(Code.SESSION_ABSENT)
def absent(view: View) -> Iterator[Found]:
    """Something goes by a BFD session that there will not be

    A BFD_CHECK is down until its session is up. If the session is left out for what is wrong with it, its server never
    comes up. The same holds for all sessions when hakeepd is started with -B (--no_bfd), and then an instance with
    track_bfd does not know either whether it may be master. So hakeepd does not start, and does not take such a
    configuration at a reload.

    Example::

        bfd_instance peer {
            neighbor_ip 192.0.2.21
            source_ip 2001:db8::11
        }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { BFD_CHECK { name peer } }
        }

    Cure::

        bfd_instance peer {
            neighbor_ip 192.0.2.21
            source_ip 192.0.2.11
        }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { BFD_CHECK { name peer } }
        }
    """
    known = view.definitions["track_bfd"]  # what names none of these has been told
    bfd = view.settings.bfd
    running = {session.name for session in bfd.instances} if bfd else set()
    for _, server, _, check in view.checks("BFD_CHECK"):
        name = check.get("name")
        if name in known and not view.host.bfd:
            yield _switched_off(f"the BFD_CHECK of {server.name}", name, check.span("name", word=1))
        elif name in known and name not in running:
            yield error(f"the BFD_CHECK of {server.name} goes by bfd_instance {name}, which is left out",
                        check.span("name", word=1), also=(known[name].span(), "this one"), stops=True)
    for owner in view.owners if not view.host.bfd else ():
        for index, (name, _, _) in enumerate(owner.track_bfd):
            if name in known:
                yield _switched_off(f"{owner.name}: track_bfd", name, owner.span("track_bfd", index, 0))


def _switched_off(who: str, name: str, span: Span | None) -> Found:
    return error(f"{who} goes by bfd_instance {name}, and -B (--no_bfd) wants no BFD", span,
                 fix="start hakeepd without -B", stops=True)
