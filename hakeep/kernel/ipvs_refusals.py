"""What the kernel's IPVS means by its error numbers: sentences that say what, why, and what would help."""

from __future__ import annotations

import errno
import os

from hakeep.kernel.ipvs_rows import DEL_DEST, DEL_SERVICE, NEW_DEST, NEW_SERVICE, SET_DEST, SET_SERVICE
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey

#: What was tried, as a participle.
_DOING = {
    NEW_SERVICE: "added", SET_SERVICE: "changed", DEL_SERVICE: "deleted",
    NEW_DEST: "added", SET_DEST: "changed", DEL_DEST: "deleted",
}  # fmt: skip

_ANYWHERE = {
    errno.EPERM: "it needs the capability CAP_NET_ADMIN on the host itself, not only in a container",
    errno.ENOMEM: "the kernel has no memory for it",
    errno.EAFNOSUPPORT: "this kernel's IPVS knows no IPv6",
}


def unavailable(number: int | None, detail: str = "") -> str:
    """Why there is no IPVS at all. `detail` is what modprobe(8) said, if it was asked."""
    if number == errno.ENOENT:
        why = f" ({detail})" if detail else ""
        return f"the kernel has no IPVS{why}: its module ip_vs must be there and loaded, as by `modprobe ip_vs`"
    return f"IPVS cannot be used: {_anywhere(number)}"


def refusal(command: int, what: Service | ServiceKey | Destination | DestinationKey, number: int) -> str:
    """Why the kernel would not do this command with it."""
    if isinstance(what, (Service, ServiceKey)):
        key = what.key if isinstance(what, Service) else what
        why = _service(what, number)
        name = f"service {key}"
    else:
        of = what.key if isinstance(what, Destination) else what
        why = _destination(what, number)
        name = f"real server [{of.ip}]:{of.port} of {of.service}"
    return f"{name} cannot be {_DOING[command]}: {why or _anywhere(number)}"


def _service(what: Service | ServiceKey, number: int) -> str:
    if number == errno.EEXIST:
        return "it is there already"
    if number == errno.ESRCH:
        return "there is no such service"
    if number == errno.ENOENT and isinstance(what, Service):
        engine = f", or no persistence engine {what.engine} (module ip_vs_pe_{what.engine})" if what.engine else ""
        return (f"the kernel has no scheduler {what.scheduler} (module ip_vs_{what.scheduler}){engine}; load the "
                "module with modprobe, or choose another one")
    return ""


def _destination(what: Destination | DestinationKey, number: int) -> str:
    key = what.key if isinstance(what, Destination) else what
    if number == errno.EEXIST:
        return "it is there already"
    if number == errno.ESRCH:
        return "its service is not there"
    if number == errno.ENOENT:
        return "there is no such real server"
    if number == errno.ERANGE:
        return "its lower connection threshold is above the upper one, or its weight is out of range"
    if number == errno.EINVAL and key.ip.version != key.service.family:
        return ("the kernel takes a real server of another address family only for tunnels, and while no connection "
                "synchronisation daemon runs")
    if number == errno.EINVAL:
        where = " (in a network namespace where lo is down it takes none)" if key.ip.version == 4 else ""
        return f"the kernel wants a unicast address, and does not take {key.ip} for one{where}"
    return ""


def daemon_refusal(state: str, interface: str, number: int | None) -> str:
    """Why a synchronisation daemon would not start or stop."""
    reasons = {
        errno.EEXIST: "one of this state runs already",
        errno.ESRCH: "none of this state runs",
        errno.ENODEV: f"there is no interface {interface}",
        errno.EADDRNOTAVAIL: f"interface {interface} has no address",
        errno.EINVAL: "a parameter is invalid, or some service has real servers of another address family",
    }
    return f"the {state} synchronisation daemon: {reasons.get(number or 0) or _anywhere(number)}"


def _anywhere(number: int | None) -> str:
    return _ANYWHERE.get(number or 0) or os.strerror(number or 0)
