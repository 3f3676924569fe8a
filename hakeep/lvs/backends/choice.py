"""Which backend `lvs_backend` means.

`auto` takes IPVS where the kernel has it, else nftables, and says so. Other names are looked up among ours and then
among the entry points of the group ``hakeep.backends``. This is a whole backend of somebody else, in a package whose
pyproject.toml says ``[project.entry-points."hakeep.backends"]`` and ``loud = "loud:Loud"``::

    from hakeep.lvs.backends.memory import Memory

    class Loud(Memory):
        \"\"\"Says what it would do, and does nothing (lvs_backend loud).\"\"\"

        name = "loud"

        async def apply(self, changes):
            for change in changes:
                print(type(change).__name__.lower(), *change.key, flush=True)
            return await super().apply(changes)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from hakeep.config.backends import GROUP
from hakeep.lvs.backends import Backend, Making, Unavailable
from hakeep.lvs.backends.ipvs import Ipvs
from hakeep.lvs.backends.memory import Memory
from hakeep.lvs.backends.nftables import Nftables

#: Ours, by what `lvs_backend` calls them.
BACKENDS: dict[str, Making] = {"ipvs": Ipvs, "nftables": Nftables, "memory": Memory}

_WARNING, _INFO = 4, 6  # syslog

#: What nftables' way needs, whether it is missed, and for whom. Not all have IPv6 clients.
_FORWARDING = (
    (_WARNING, "net.ipv4.ip_forward", "IPv4"),
    (_INFO, "net.ipv6.conf.all.forwarding", "IPv6"),
)
_SYSCTLS = Path("/proc/sys")


async def choose(name: str, log: Callable[[int, str], None], namespace: str | None = None) -> Backend:
    """The backend of this name, open. `log` (level, text) hears of a second choice. IPVS may be that of another network
    namespace (see `netns.visit`). Raises Unavailable."""
    backend = await _opened(_making(name, namespace)) if name != "auto" else await _first(log, namespace)
    if backend.name == "nftables":
        for level, sysctl, whom in _FORWARDING:
            if _is_off(sysctl):
                log(level, f"{sysctl} is 0: packets of {whom} clients do not get to real servers")
    return backend


async def _first(log: Callable[[int, str], None], namespace: str | None) -> Backend:
    try:
        return await _opened(_ipvs(namespace))
    except Unavailable as error:
        if namespace is not None:  # nftables rewrites packets here, which nobody asked for
            raise
        no_ipvs = str(error)
    try:
        backend = await _opened(Nftables)
    except Unavailable as error:
        raise Unavailable(f"no backend for virtual servers works here. IPVS: {no_ipvs}. nftables: {error}") from None
    log(_WARNING, f"virtual servers are done by nftables, with NAT, rr, wrr and sh only: {no_ipvs}")
    return backend


def _ipvs(namespace: str | None) -> Making:
    return Ipvs if namespace is None else partial(Ipvs, namespace)


def _is_off(sysctl: str) -> bool:
    try:
        return _SYSCTLS.joinpath(*sysctl.split(".")).read_text().strip() == "0"
    except OSError:
        return False


async def _opened(making: Making) -> Backend:
    backend = making()
    await backend.open()
    return backend


def _making(name: str, namespace: str | None) -> Making:
    if name == "ipvs" and namespace is not None:
        return _ipvs(namespace)
    if name in BACKENDS:
        return BACKENDS[name]
    others = {point.name: point for point in entry_points(group=GROUP)}  # a rule of the configuration has asked, too
    if name not in others:
        known = ", ".join(["auto", *BACKENDS, *sorted(others)])
        raise Unavailable(f"lvs_backend {name}: there is no such backend; there are {known}")
    try:
        making: Making = others[name].load()
    except Exception as error:  # whatever a package does when it is imported
        raise Unavailable(f"lvs_backend {name} ({others[name].value}) cannot be loaded: {error}") from error
    return making
