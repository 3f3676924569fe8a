"""Each refusal is a sentence that says what, why, and what would help."""

from __future__ import annotations

import errno
from ipaddress import ip_address

import pytest

from hakeep.kernel import ipvs_rows as rows
from hakeep.kernel.ipvs_refusals import daemon_refusal, refusal, unavailable
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey

SERVICE = Service(ServiceKey(4, 6, ip_address("192.0.2.1"), 80), "maglev", engine="sip")
SERVER = Destination(DestinationKey(SERVICE.key, ip_address("198.51.100.1"), 8080))
FAR = Destination(DestinationKey(SERVICE.key, ip_address("2001:db8::1"), 80))


@pytest.mark.parametrize(("command", "what", "number", "words"), [
    (rows.NEW_SERVICE, SERVICE, errno.EEXIST, "service [192.0.2.1]:tcp:80 cannot be added: it is there already"),
    (rows.NEW_SERVICE, SERVICE, errno.ENOENT, "scheduler maglev (module ip_vs_maglev), or no persistence engine sip"),
    (rows.DEL_SERVICE, SERVICE.key, errno.ESRCH, "cannot be deleted: there is no such service"),
    (rows.NEW_SERVICE, SERVICE, errno.EAFNOSUPPORT, "IPVS knows no IPv6"),
    (rows.NEW_DEST, SERVER, errno.EINVAL, "real server [198.51.100.1]:8080 of [192.0.2.1]:tcp:80 cannot be added: the"),
    (rows.NEW_DEST, FAR, errno.EINVAL, "only for tunnels"),
    (rows.SET_DEST, SERVER, errno.ERANGE, "cannot be changed: its lower connection threshold is above the upper one"),
    (rows.NEW_DEST, SERVER, errno.ESRCH, "its service is not there"),
    (rows.DEL_DEST, SERVER.key, errno.ENOENT, "there is no such real server"),
    (rows.DEL_DEST, SERVER.key, errno.EPERM, "needs the capability CAP_NET_ADMIN"),
    (rows.NEW_DEST, SERVER, errno.EIO, "Input/output error"),
])
def test_refusals(
    command: int, what: Service | ServiceKey | Destination | DestinationKey, number: int, words: str
) -> None:
    assert words in refusal(command, what, number)


def test_there_is_no_ipvs() -> None:
    assert unavailable(errno.ENOENT) == (
        "the kernel has no IPVS: its module ip_vs must be there and loaded, as by `modprobe ip_vs`")
    assert "(modprobe: not found)" in unavailable(errno.ENOENT, "modprobe: not found")
    assert unavailable(errno.EPERM).startswith("IPVS cannot be used: it needs the capability CAP_NET_ADMIN")


def test_daemons() -> None:
    assert daemon_refusal("master", "eth7", errno.ENODEV) == (
        "the master synchronisation daemon: there is no interface eth7")
    assert daemon_refusal("backup", "eth7", errno.EEXIST).endswith("one of this state runs already")
    assert daemon_refusal("backup", "eth7", errno.ENETUNREACH).endswith("Network is unreachable")
