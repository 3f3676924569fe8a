"""Time and noise: how soon a failure is noticed, how loudly a takeover is told, and what strictness costs."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, rule, warning
from hakeep.config.rules.view import View

#: Seconds: adverts at this pace are lost to a busy scheduler now and then.
FAST = 0.1
#: Seconds that most clients do not wait.
SLOW = 30
#: Announcements in one go that switches and hosts begin to drop.
MANY = 1000


@rule(Code.FAST_ADVERTS)
def fast(view: View) -> Iterator[Found]:
    """Adverts in quick succession without real-time priority

    With an interval below 0.1 s a backup takes over after a pause of less than 0.4 s. An ordinary process on a busy
    machine pauses that long: backups, swapping, a virtual machine that is moved. vrrp_rt_priority and vrrp_no_swap
    keep the VRRP process on time.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            version 3
            advert_int 0.05
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        global_defs {
            vrrp_rt_priority 50
            vrrp_no_swap
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            version 3
            advert_int 0.05
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    if view.globals.vrrp_rt_priority:
        return
    for member in view.instances:
        if member.settled.advert_int < FAST:
            yield advice(
                f"{member.written.name}: adverts every {member.settled.advert_int * 1000:g} ms need a process that is "
                "never late", member.written.span("advert_int", word=1),
                fix="add vrrp_rt_priority 50 and vrrp_no_swap to global_defs")


@rule(Code.SLOW_TAKEOVER)
def slow(view: View) -> Iterator[Found]:
    """A backup waits for more than half a minute

    A backup takes over when it has heard nothing for down_timer_adverts x advert_int and a little. Here that is so
    long that clients give up. VRRP takes little: at the usual interval of 1 s an advert a second.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            advert_int 20
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            advert_int 1
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        seconds = member.settled.advert_int * member.settled.down_timer_adverts
        if seconds > SLOW:
            keyword = "advert_int" if "advert_int" in member.written.places else "down_timer_adverts"
            yield advice(f"{member.written.name}: a dead master is noticed after {seconds:g} s",
                         member.written.span(keyword, word=1),
                         note=f"{member.settled.down_timer_adverts} adverts, one every {member.settled.advert_int:g} s")


@rule(Code.ONE_ADVERT)
def one_advert(view: View) -> Iterator[Found]:
    """One lost advert makes a new master

    With down_timer_adverts 1 a backup takes over as soon as a single advert is late or lost, and there are two
    masters until the next one arrives.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            down_timer_adverts 1
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            down_timer_adverts 2
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        if member.settled.down_timer_adverts == 1:
            own = member.written.down_timer_adverts is not None
            section = member.written if own else view.globals
            yield warning(f"{member.written.name}: one lost advert is enough for a second master",
                          section.span("down_timer_adverts" if own else "vrrp_down_timer_adverts", word=1))


@rule(Code.LINK_DELAY)
def link_delay(view: View) -> Iterator[Found]:
    """A link's delay longer than a backup waits

    interface_up_down_delays lets a link be down for a while before it counts. If that is not shorter than the time
    after which the other router takes over, the wait is for nothing: the delay is cut, to a little less than an advert
    less than a backup waits for.

    Example::

        interface_up_down_delays { eth0 5 }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        interface_up_down_delays { eth0 1 }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    delays = {name: (down, up, index) for index, (name, down, up) in enumerate(view.config.interface_up_down_delays)}
    for member in view.instances if delays else ():
        down, up, index = delays.get(member.settled.interface, (0.0, 0.0, 0))
        most = (member.settled.down_timer_adverts - 1) * member.settled.advert_int
        longer = max(down, up)
        if longer and longer >= most:
            yield warning(
                f"a change of {member.settled.interface} may wait for {longer:g} s, but a backup of "
                f"{member.written.name} for {most:g} s at most", view.config.span("interface_up_down_delays", index),
                also=(member.written.span("advert_int", word=1), "from its interval"))


@rule(Code.ANNOUNCED_ONCE)
def announced_once(view: View) -> Iterator[Found]:
    """A takeover is told only once

    Hosts and switches learn from gratuitous ARPs where a virtual address is now. Here each address is announced once
    after a takeover and never again. If that one packet is lost (a port that is not forwarding yet, a full queue),
    traffic goes to the dead router until caches run out, for minutes. A second burst (garp_master_delay) or a refresh
    heals it.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            garp_master_delay 0
            garp_master_repeat 1
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            garp_master_delay 5
            garp_master_repeat 1
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        garp = member.settled.garp
        if garp.master_repeat == 1 and not garp.master_delay and not garp.master_refresh:
            words = ("garp_master_delay", "garp_master_repeat")
            own = next((word for word in words if word in member.written.places), "")
            inherited = next((w for w in ("vrrp_min_garp", *(f"vrrp_{word}" for word in words))
                              if w in view.globals.places), "")
            span = member.written.span(own) if own else view.globals.span(inherited)
            yield advice(f"{member.written.name}: each address is announced once and never again", span,
                         fix="add garp_master_delay 5, or garp_master_refresh 60")
            if not own:
                return  # the cause is one line in global_defs


@rule(Code.ANNOUNCED_MUCH)
def announced_much(view: View) -> Iterator[Found]:
    """A storm of announcements

    After a takeover every address is announced garp_master_repeat times at once. With hundreds of addresses that is a
    burst of thousands of packets, which switches with storm control drop, and the rest of the traffic with it. A gap
    between them (vrrp_garp_interval, garp_group) or fewer repetitions help.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            garp_master_repeat 2000
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            garp_master_repeat 5
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    if view.settings.globals.garp_limits:
        return
    for member in view.instances:
        count = len(member.settled.addresses) * member.settled.garp.master_repeat
        if count > MANY:
            yield advice(
                f"{member.written.name}: a takeover sends {count} announcements at once",
                member.written.span("garp_master_repeat" if "garp_master_repeat" in member.written.places else ""),
                fix="add vrrp_garp_interval 0.001 to global_defs, or repeat them less often")


@rule(Code.STRICT_DEAF)
def strict_deaf(view: View) -> Iterator[Found]:
    """strict_mode (vrrp_strict) makes the addresses deaf

    RFC rules say that only the owner of an address takes packets for it; another master forwards and nothing more. So
    with strict_mode the virtual address answers neither ping nor any service on this machine, and it looks as if the
    takeover did not work. vrrp_strict stands in the sample that comes with keepalived, and is copied from there. Take
    it out, or with version 3 say accept.

    Example::

        global_defs { vrrp_strict }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        global_defs { vrrp_strict }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            version 3
            accept
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        settled, written = member.settled, member.written
        if settled.strict_mode and not settled.accept and written.accept is None and settled.addresses:
            own = written.strict_mode is not None
            fix = "take it out" if settled.version == 2 else "add accept to the instance, or take it out"
            yield warning(f"{written.name}: in strict mode its addresses take no packets, not even pings",
                          written.span("strict_mode") if own else view.globals.span("vrrp_strict"), fix=fix)
            if not own:
                return  # one word in global_defs, one warning
