"""nftables, through libnftables.

`Nft.run` gives a script to libnftables, which sends it to the kernel as one transaction: all of it happens or nothing.
It runs in this process because a takeover must not wait for a fork, and without holding the interpreter's lock, so
that it can run in a thread while adverts go on. `NftMonitor` listens to what others do to our tables: an
``nft flush ruleset`` by a firewall script takes the fence away without any error that we would see.

Measured with libnftables 1.0.6 on two slow cores: loading and the first script 5 ms and 1.5 MiB; a takeover of one
router among 1, 255, 1000 takes 0.1, 0.6, 2 ms, one with 1000 VIPs 4 ms (IPv4) or 15 (IPv6); the whole table of 255
routers 11-36 ms, of 1000 80-110. 40 000 scripts leaked nothing.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import socket
import struct
import threading
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from hakeep.objects.filter import Device, Fence, FencedRouter, Filter, Sender, to_deletions, to_script

_LIBRARY = "libnftables.so.1"

NETLINK_NETFILTER = 12  # <linux/netlink.h>
_JSON, _TERSE = 1 << 4, 1 << 11  # NFT_CTX_OUTPUT_*, <nftables/libnftables.h>


class NftError(OSError):
    """libnftables or the kernel refused a script; the text is theirs. Nothing of the script was done."""


class Support(NamedTuple):
    """Whether this host can have the fence, and if not, why (for the log)."""

    fence: bool
    reason: str = ""


class Nft:
    """A context of libnftables, opened at the first use.

    It belongs to the network namespace of the thread that first uses it, and must not be carried over a fork.
    """

    def __init__(self) -> None:
        self._library: Any = None
        self._context = ctypes.c_void_p()
        self._turn = threading.Lock()
        self._descriptors: tuple[int, ...] = ()
        self._port = 0

    @property
    def port(self) -> int:
        """The netlink port that our changes come from, 0 before the first script. libnftables keeps its socket to
        itself, so it is found among the descriptors that appeared when the context was made."""
        self._port = self._port or next((port for port in map(_netlink_port, self._descriptors) if port), 0)
        return self._port

    def run(self, script: str) -> None:
        """Do all of this script or, raising NftError, nothing. "" does nothing. May be called from any thread."""
        if script:
            with self._turn:
                self._run(script)

    def check(self, script: str) -> None:
        """Let the kernel check this script without doing it; NftError says what is wrong with it."""
        with self._turn:
            self._open()
            self._library.nft_ctx_set_dry_run(self._context, True)
            try:
                self._run(script)
            finally:
                self._library.nft_ctx_set_dry_run(self._context, False)

    def read(self, command: str) -> str:
        """The output of a command such as ``list ruleset``."""
        with self._turn:
            self._run(command)
            return str(self._library.nft_ctx_get_output_buffer(self._context).decode(errors="replace"))

    def listing(self, command: str, *, elements: bool = False) -> list[dict[str, Any]]:
        """What a ``list`` command shows, as the objects of libnftables-json(5), the preface left out. The elements of
        sets and maps, which can be many, are only there when they are asked for."""
        with self._turn:
            self._open()
            self._library.nft_ctx_output_set_flags(self._context, _JSON | (0 if elements else _TERSE))
            try:
                self._run(command)
                said = self._library.nft_ctx_get_output_buffer(self._context).decode(errors="replace")
            finally:
                self._library.nft_ctx_output_set_flags(self._context, 0)
        try:
            found = json.loads(said)["nftables"] if said else []
        except (ValueError, KeyError, TypeError) as error:
            raise NftError(f"{_LIBRARY} was built without JSON: {said[:60]!r}") from error
        return [each for each in found if "metainfo" not in each]

    def release(self, table: str) -> None:
        """Delete our tables of this name, if there are any (start, stop). A family that the kernel lacks is no error,
        nor is a missing library: then there is nothing of ours to delete."""
        for script in to_deletions(table):
            with suppress(NftError):
                self.run(script)

    def close(self) -> None:
        """Let go of the context. The tables stay."""
        with self._turn:
            if self._context:
                self._library.nft_ctx_free(self._context)
                self._context = ctypes.c_void_p()
                self._descriptors = ()
                self._port = 0

    def _run(self, script: str) -> None:
        self._open()
        if self._library.nft_run_cmd_from_buffer(self._context, script.encode()) != 0:
            said = self._library.nft_ctx_get_error_buffer(self._context).decode(errors="replace")
            raise NftError(said.strip() or "libnftables failed without a reason")

    def _open(self) -> None:
        if self._context:
            return
        self._library = self._library or _load()
        _require_netlink()
        before = _sockets()
        self._context = ctypes.c_void_p(self._library.nft_ctx_new(0))
        if not self._context:
            raise NftError(f"{_LIBRARY} could not be set up")
        # Both collect text in memory: without them it goes to stdout and stderr.
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)
        self._descriptors = tuple(descriptor for descriptor, _ in _sockets() - before)


def _load() -> Any:
    """libnftables with the signatures of <nftables/libnftables.h>. CDLL functions release the interpreter's lock."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise NftError(f"{_LIBRARY} (package libnftables1 or nftables) cannot be loaded: {error}") from error
    context, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("nft_ctx_new", context, [ctypes.c_uint32]),
        ("nft_ctx_free", None, [context]),
        ("nft_ctx_set_dry_run", None, [context, ctypes.c_bool]),
        ("nft_ctx_output_set_flags", None, [context, ctypes.c_uint]),
        ("nft_ctx_buffer_output", ctypes.c_int, [context]),
        ("nft_ctx_buffer_error", ctypes.c_int, [context]),
        ("nft_ctx_get_output_buffer", text, [context]),
        ("nft_ctx_get_error_buffer", text, [context]),
        ("nft_run_cmd_from_buffer", ctypes.c_int, [context, text]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _require_netlink() -> None:
    """libnftables ends the whole process where the kernel has nothing that it could talk to (exit(3) in its mnl.c)."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER).close()
    except OSError as error:
        raise NftError(f"this kernel has no nftables ({error.strerror})") from error


def _sockets() -> set[tuple[int, str]]:
    """Descriptor and inode of each socket that this process has open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if (link := str(entry.readlink())).startswith("socket:"):
                found.add((int(entry.name), link))
    return found


def _netlink_port(descriptor: int) -> int:
    """The port of this netlink socket; 0 when it is none or has not sent anything yet."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            ours = copy.family == socket.AF_NETLINK and copy.proto == NETLINK_NETFILTER
            return int(copy.getsockname()[0]) if ours else 0
    except OSError:
        return 0


def probe(nft: Nft | None = None) -> Support:
    """Whether kernel, library and rights suffice for the fence: the kernel checks a small one, and does nothing.

    libnftables of an odd version could crash on it: call this in a child whose death you can survive.
    """
    here = Device("lo", 1)
    routers = tuple(
        FencedRouter(number, "probe", 0.3, Sender("lo", address, 1), (("lo", address),))
        for number, address in enumerate((ip_address("127.0.0.1"), ip_address("::1")), 1)
    )
    script = to_script(None, Filter(table="hakeep_probe", fence=Fence(routers, (here,), (here,))))
    own = nft or Nft()
    try:
        own.check(script)
    except NftError as error:
        return Support(False, _what_is_missing(own, error))
    finally:
        if nft is None:
            own.close()
    return Support(True)


def _what_is_missing(nft: Nft, error: NftError) -> str:
    """Why the fence was refused: by far the most kernels lack one thing, which their answer does not name."""
    hooks = {}
    for hook in ("ingress", "egress"):
        try:
            nft.check(_HOOKED.format(hook=hook))
            hooks[hook] = True
        except NftError:
            hooks[hook] = False
    if hooks == {"ingress": True, "egress": False}:
        return f"it needs a kernel >= 5.16 with netdev egress, and nftables >= 1.0.1 ({reason(error)})"
    return reason(error)


_HOOKED = """\
table netdev hakeep_probe {{
	chain probe {{ type filter hook {hook} device "lo" priority 0; }}
}}
"""


def reason(error: NftError) -> str:
    """The reason of a refusal in one line: nft adds the place in the script, and the script."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "unknown error")
    return _PREAMBLE.sub("", first)


_PREAMBLE = re.compile(r"^.*?\bError: (Could not process rule: )?")


# ----------------------------------------------------------------------------------------------------------- monitor

_SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>
_NFNLGRP_NFTABLES = 7  # <linux/netfilter/nfnetlink.h>
_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_DELTABLE, _NFT_MSG_NEWGEN = 2, 15  # <linux/netfilter/nf_tables.h>
_NFTA_TABLE = 1  # the attribute number of the table's name is the same in every message but NEWGEN
_NFTA_GEN_PROC_PID, _NFTA_GEN_PROC_NAME = 2, 3
_FAMILY_NAMES = {5: "netdev", 2: "ip", 10: "ip6"}  # NFPROTO_*

_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_HEADER = _MESSAGE.size + 4  # and nfgenmsg: family, version, resource


class Disturbance(NamedTuple):
    """Somebody else changed our table in `family`; `gone` when it is not there any more.

    `who` is the process as the kernel names it, such as ``nft[4711]``. A `family` of "" means that the kernel dropped
    notifications: anything may have happened.
    """

    family: str
    gone: bool
    who: str = ""


class NftMonitor:
    """Watches one table name in all families. Wait until `fileno()` is readable, then call `receive()`.

    Changes that `nft` made are left out. What the packet path does to sets is not notified. `buffer` is how many bytes
    of notifications, ours among them, the kernel may keep for us, 0 = what it thinks fit.
    """

    def __init__(self, table: str, nft: Nft, buffer: int = 0) -> None:
        self._table = table.encode()
        self._nft = nft
        self._touched: dict[str, bool] = {}  # of the transaction that is being read: family -> gone
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
        try:
            if buffer:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
            self._socket.bind((0, 1 << (_NFNLGRP_NFTABLES - 1)))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> list[Disturbance]:
        """What others did since the last call, one entry for each transaction and family. Never blocks."""
        found: list[Disturbance] = []
        own = self._nft.port
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._touched.clear()
                found.append(Disturbance("", gone=True))
            else:
                found += self._decode(data, own)

    def _decode(self, data: bytes, own: int) -> list[Disturbance]:
        found: list[Disturbance] = []
        offset = 0
        while offset + _HEADER <= len(data):
            length, kind, _, _, port = _MESSAGE.unpack_from(data, offset)
            if length < _HEADER:
                break
            message = memoryview(data)[offset + _MESSAGE.size : offset + length]
            offset += (length + 3) & ~3
            if kind >> 8 != _NFNL_SUBSYS_NFTABLES:
                continue
            kind &= 0xFF
            if kind == _NFT_MSG_NEWGEN:  # the end of a transaction
                if self._touched:
                    who = _culprit(message)
                    # Without a port of our own to compare with, a mere change may well be ours.
                    found += [Disturbance(family, gone, who) for family, gone in self._touched.items() if gone or own]
                    self._touched.clear()
            elif port != own and _table_name(message) == self._table:
                # What belonged to a table is notified before its deletion: the last message decides.
                self._touched[_FAMILY_NAMES[message[0]]] = kind == _NFT_MSG_DELTABLE
        return found


def _attributes(message: memoryview) -> dict[int, bytes]:
    """Top level attributes behind the nfgenmsg (4 bytes)."""
    found: dict[int, bytes] = {}
    offset = 4
    while offset + 4 <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = bytes(message[offset + 4 : offset + length])
        offset += (length + 3) & ~3
    return found


def _table_name(message: memoryview) -> bytes:
    return _attributes(message).get(_NFTA_TABLE, b"").rstrip(b"\0") if message[0] in _FAMILY_NAMES else b""


def _culprit(generation: memoryview) -> str:
    attributes = _attributes(generation)
    name = attributes.get(_NFTA_GEN_PROC_NAME, b"").rstrip(b"\0").decode(errors="replace")
    pid = int.from_bytes(attributes.get(_NFTA_GEN_PROC_PID, b""), "big")
    return _process_of(pid) or f"{name}[{pid}]"


def _process_of(thread: int) -> str:
    """The kernel names the thread that did it; this is its process, "" when it is gone or not to be seen from here."""
    try:
        status = Path(f"/proc/{thread}/status").read_text(errors="replace")
        process = status.partition("\nTgid:")[2].split(maxsplit=1)[0]
        return f"{Path('/proc', process, 'comm').read_text(errors='replace').rstrip()}[{process}]"
    except (OSError, IndexError):
        return ""
