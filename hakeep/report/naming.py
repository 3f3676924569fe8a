"""Virtual and real servers as people write them on a command line, found among those that are there.

A virtual server has the name of the configuration: ``10.0.0.1 80``, ``fwmark 5``, ``group shop``. ``10.0.0.1:80`` and
``[fd00::1]:80`` will do, and what logs call it. A real server is ``10.0.0.2:80``, ``[fd00::2]:80``, ``10.0.0.2 80``, or
its address alone where it has one port only.

Pure. What cannot be found is a `Unknown`, whose sentence names what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from hakeep.report.snapshot import VirtualSnapshot

#: So many candidates are named.
CANDIDATES = 12


class Unknown(Exception):
    """There is no such server. The text is a sentence."""


class Place(NamedTuple):
    """A real server: its address and port. Written as on the command line."""

    ip: str
    port: int

    def __str__(self) -> str:
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{ip}:{self.port}" if self.port else self.ip


def place(text: str) -> Place | None:
    """The address and port in `text`, port 0 where none is written; None when it has no address."""
    words = text.split()
    if len(words) == 2:
        ip, port = words
    elif len(words) != 1:
        return None
    elif _address(text.strip()):
        return Place(_address(text.strip()), 0)
    else:
        ip, _, port = words[0].rpartition(":")
    ip = ip[1:-1] if ip.startswith("[") and ip.endswith("]") else ip
    right = _address(ip) and port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535
    return Place(_address(ip), int(port)) if right else None


def _address(text: str) -> str:
    """`text` as addresses are written, "" if it is none."""
    try:
        return str(ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text))
    except ValueError:
        return ""


def virtual(text: str, virtuals: Iterable[VirtualSnapshot]) -> VirtualSnapshot:
    """The virtual server that `text` names. Raises Unknown."""
    known = tuple(virtuals)
    wanted = _spelled(text)
    for each in known:
        if text == each.label or wanted in (each.name, _spelled(each.name)):
            return each
    alike = wanted if place(wanted) else "?"  # all but the protocol
    likes = [each for each in known if _spelled(each.name).startswith(f"{alike} ")]
    if len(likes) == 1:
        return likes[0]
    raise Unknown(f"there is no virtual server {text!r}; there are {listed(each.name for each in likes or known)}")


def _spelled(text: str) -> str:
    """A name with single blanks, its address as addresses are written, and no colon before the port."""
    first, *rest = text.split() or [""]
    found = place(" ".join([first, *rest[:1]])) if _address(first) and rest else place(first)
    if found is None:
        return " ".join([first, *rest])
    if _address(first):
        return " ".join([found.ip, *rest])
    return " ".join([found.ip, str(found.port), *rest])


def real(text: str, virtuals: Iterable[VirtualSnapshot]) -> Place:
    """The real server that `text` names, in any of these virtual servers. Raises Unknown."""
    known = tuple(virtuals)
    found = place(text)
    there = {Place(each.ip, each.port): None for one in known for each in one.reals}
    for one in known:
        for each in one.reals:
            if each.name == text:
                return Place(each.ip, each.port)
    if found in there:
        return found
    of_address = [each for each in there if found is not None and each.ip == found.ip]
    if found is not None and not found.port and len(of_address) == 1:
        return of_address[0]
    if found is None and not there:
        raise Unknown(f"{text!r} is not a real server; write it like 10.0.0.2:80 or [fd00::2]:80")
    where = f" in virtual server {known[0].name}" if len(known) == 1 else ""
    raise Unknown(f"there is no real server {text!r}{where}; there are {listed(map(str, of_address or there))}")


def listed(names: Iterable[str]) -> str:
    """Names for a sentence, not too many."""
    found: Sequence[str] = tuple(names)
    more = f" and {len(found) - CANDIDATES} more" if len(found) > CANDIDATES else ""
    return (", ".join(found[:CANDIDATES]) or "none") + more
