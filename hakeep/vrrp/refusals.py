"""What the kernel means by its error numbers when it refuses a route, a rule, an address or an advert: in words."""

from __future__ import annotations

import errno

_WORDS = {
    errno.EACCES: "a firewall or a policy of this host forbids it",
    errno.EADDRNOTAVAIL: "this host does not have the address that it is to come from",
    errno.EAFNOSUPPORT: "this kernel does not know the address family",
    errno.EEXIST: "it is there already",
    errno.EHOSTUNREACH: "its gateway cannot be reached from here",
    errno.EINVAL: "the kernel does not accept what is said of it",
    errno.ENETDOWN: "the interface is down",
    errno.ENETUNREACH: "no route leads there",
    errno.ENOBUFS: "the kernel has no room for it",
    errno.ENODEV: "the interface is not there",
    errno.ENOENT: "there is no such thing",
    errno.ENOMEM: "the kernel has no memory for it",
    errno.ENXIO: "the interface is not there",
    errno.EOPNOTSUPP: "this kernel cannot do it",
    errno.EPERM: "it is not permitted: by a firewall, or without the capability CAP_NET_ADMIN",
    errno.ESRCH: "there is no such thing",
}


def refusal(number: int) -> str:
    """The name of an error number, and what it means if that is known: ``ENETDOWN (the interface is down)``."""
    name = errno.errorcode.get(number, str(number))
    return f"{name} ({_WORDS[number]})" if number in _WORDS else name
