"""This host as a real server: looks what is there, brings about what is missing, and undoes what we did.

What was done is written down under /run, which is empty after a boot, as is what it speaks of. The file's name has the
number of the network namespace: a host may be several real servers.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from hakeep.cli.realserver.needs import DEVICES, Device, Need, Setting, Vip, is_ours, label, needs
from hakeep.kernel import rtnl, sysctl
from hakeep.kernel.codecs import ifinfmsg
from hakeep.kernel.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, Netlink, NetlinkError
from hakeep.objects.rtnl import SCOPE_GLOBAL, SCOPE_HOST, Address, IPAddress, Link
from hakeep.whole_file import read_json, write_json


class Failed(Exception):
    """Something cannot be done. The text is a sentence."""


class Host:
    """The caller's network namespace. `directory` is where what was done is written down. Raises Failed."""

    def __init__(self, netlink: Netlink, directory: Path) -> None:
        self._netlink = netlink
        number = Path("/proc/thread-self/ns/net").stat().st_ino
        self._directory = directory
        self._file = directory / f"realserver_{number}.json"
        self._sysctl_file = directory / f"realserver_{number}_sysctl.json"
        self.look()

    def look(self) -> None:
        """Read links and addresses anew."""
        self.links: dict[str, Link] = {link.name: link for link in rtnl.read_links(self._netlink)}
        names = {link.index: link.name for link in self.links.values()}
        self.addresses = rtnl.read_addresses(self._netlink, names)

    def on(self, vip: Vip) -> Address | None:
        """The virtual address as it is there, with any label."""
        wanted = (vip.device, vip.ip, vip.ip.max_prefixlen)
        return next((each for each in self.addresses if each.key == wanted), None)

    def lacks(self, need: Need) -> str:
        """What is wrong, in a few words; "" = nothing."""
        if isinstance(need, Setting):
            return _setting(need)
        if isinstance(need, Device):
            link = self.links.get(need.name)
            return "there is no such interface" if link is None else "" if link.up else "it is down"
        return "" if self.on(need) is not None else "it is not"

    # ------------------------------------------------------------------------------------------------- changes

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile."""
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(self._directory / "realserver.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self.look()
            yield
        finally:
            os.close(fd)

    def fulfil(self, need: Need) -> None:
        """Bring it about, and write down what there is to undo. Raises Failed."""
        try:
            if isinstance(need, Setting):
                sysctl.SysctlKeeper(self._sysctl_file).set(need.path, need.accepted[0])
            elif isinstance(need, Device):
                self._raise(need)
            else:
                self._add(need)
        except NetlinkError as error:
            raise Failed(f"the kernel refuses that {need}: {error.strerror}") from None
        except OSError as error:
            raise Failed(f"{need} cannot be set: {error.strerror}") from None

    def remove(self, ips: Iterable[IPAddress]) -> list[str]:
        """Take away what was added for these, and give back what no other one needs. Returns what was done, a line
        each. Raises Failed, also for an address that is there and not from us."""
        noted, done = self._noted(), []
        wanted = set(ips)
        there = [each for each in self.addresses if each.ip in wanted and each.interface in DEVICES]
        for each in there:
            if [each.interface, str(each.ip)] not in noted["vips"] and not is_ours(each.label):
                raise Failed(f"{each.ip} on {each.interface} is not from hakeep; "
                             f"`ip address del {each.ip}/{each.prefix} dev {each.interface}` takes it away")
        for each in there:
            self._delete(each)
            done.append(f"removed  {each.ip}/{each.prefix} from {each.interface}")
        noted["vips"] = [each for each in noted["vips"] if ip_address(each[1]) not in wanted]
        self._note(noted)
        self.look()
        return done + self._give_back(noted)

    def _give_back(self, noted: dict[str, list[list[str]]]) -> list[str]:
        """What nothing that is left needs: settings, then devices."""
        left: set[str] = set()
        devices = {device for device, _ in noted["vips"]}
        for device, text in noted["vips"]:
            ip = ip_address(text)
            left |= {each.path for each in needs([ip], self.addresses) if isinstance(each, Setting)}
            left.add(f"ipv4/conf/{device}/rp_filter")
        keeper = sysctl.SysctlKeeper(self._sysctl_file)
        paths = [path for path in keeper.borrowed() if path not in left]
        foreign = keeper.restore(paths)
        done = []
        for path in paths:
            how = "left as somebody else has set it" if path in foreign else "as it was before"
            done.append(f"restored net.{path.replace('/', '.')}: {how}")
        for (name,) in [each for each in noted["raised"] if each[0] not in devices]:
            noted["raised"].remove([name])
            if name in self.links:
                self._netlink.request(rtnl.encode_link_up(self.links[name].index, False))
                done.append(f"restored {name}: down")
        self._note(noted)
        return done

    def _raise(self, device: Device) -> None:
        if device.name not in self.links:
            try:
                self._netlink.request(_encode_tunnel(device))
            except NetlinkError as error:
                if error.errno == errno.EOPNOTSUPP:
                    raise Failed(f"this kernel has no {device.kind} tunnels, not even as a module") from None
                if error.errno != errno.EEXIST:  # the module has made it while it was loaded
                    raise
            self.look()
        noted = self._noted()
        noted["raised"].append([device.name])
        self._note(noted)
        self._netlink.request(rtnl.encode_link_up(self.links[device.name].index))

    def _add(self, vip: Vip) -> None:
        noted = self._noted()
        if [vip.device, str(vip.ip)] not in noted["vips"]:
            noted["vips"].append([vip.device, str(vip.ip)])
            self._note(noted)
        taken = [each.label for each in self.addresses if each.interface == vip.device]
        ipv4 = vip.ip.version == 4
        address = Address(
            vip.device, vip.ip, vip.ip.max_prefixlen, label=label(vip.device, taken) if ipv4 else "",
            scope=SCOPE_HOST if ipv4 else SCOPE_GLOBAL, proto=0)
        self._netlink.request(rtnl.Encoder().add(address, self.links[vip.device].index))
        self.look()

    def _delete(self, address: Address) -> None:
        try:
            self._netlink.request(rtnl.Encoder().delete(address, self.links[address.interface].index))
        except NetlinkError as error:
            raise Failed(f"the kernel does not take {address} away: {error.strerror}") from None

    # ------------------------------------------------------------------------------------------------- memory

    def _noted(self) -> dict[str, list[list[str]]]:
        """`vips` that we added, as device and address, and `raised` devices."""
        try:
            found = read_json(self._file) or {}
            return {
                "vips": [[str(device), str(ip_address(ip))] for device, ip in found.get("vips", [])],
                "raised": [[str(name)] for (name,) in found.get("raised", [])],
            }
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise Failed(f"what was done before cannot be read from {self._file}: {error}") from None

    def _note(self, noted: dict[str, list[list[str]]]) -> None:
        if any(noted.values()):
            write_json(self._file, noted)
        else:
            self._file.unlink(missing_ok=True)


def _setting(need: Setting) -> str:
    try:
        value = sysctl.read(need.path)
        if need.with_all:
            value = max(value, sysctl.read(need.of_all))
    except FileNotFoundError:
        return "there is no such setting"
    return "" if value in need.accepted else f"it is {value}"


def _encode_tunnel(device: Device) -> bytes:
    """RTM_NEWLINK: as soon as the kernel loads the module for this kind it makes the device of this name by itself."""
    message = ifinfmsg()
    message["attrs"] = [
        ("IFLA_IFNAME", device.name), ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", device.kind)]})]
    message["header"]["type"] = rtnl.RTM_NEWLINK
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
    message.encode()
    return bytes(message.data)
