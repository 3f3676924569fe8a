"""What every process of the daemon stands on: its log, its line to the parent, the page it leaves behind.

None of them ever blocks. A syslog reader that stopped, a full pipe or a full disk costs log lines (they are counted
and the loss is reported), never an advert. There are no threads for that: pipes and terminals are opened anew without
blocking, which leaves the flags of the descriptor that others share alone.
"""

from __future__ import annotations

import errno
import gc
import json
import mmap
import os
import pickle
import socket
import stat
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from hakeep.vrrp.messages import State

# ------------------------------------------------------------------------------------------------------------- log

FACILITIES = {"user": 1, "daemon": 3, **{f"local{n}": 16 + n for n in range(8)}}
ERROR, WARNING, NOTICE, INFO, DEBUG = 3, 4, 5, 6, 7


@contextmanager
def no_collection() -> Iterator[None]:
    """Where very much is made that is kept: to look for garbage in it again and again takes longer than to make it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Log:
    """Lines to the console and to syslog, as the command line asks for.

    `console` writes to standard error; `facility` None sends nothing to syslog; `detail` lets the lines through that
    only -D shows.
    """

    def __init__(self, ident: str, *, console: bool, facility: int | None, detail: bool) -> None:
        self.ident = ident
        self.detail = detail
        self.dropped = 0
        self._facility = facility
        self._console = _reopen(2) if console else -1
        self._pipe = _as_socket(2) if console else None
        self._syslog: socket.socket | None = None

    def child(self, ident: str) -> Log:
        """The same log under another name, for a process that was just forked."""
        self.ident = ident
        self._syslog = None
        return self

    @property
    def on_console(self) -> bool:
        """True when lines go to standard error."""
        return self._console >= 0 or self._pipe is not None

    def leave_console(self) -> None:
        """Into the background: from now on only syslog. Whoever reads what we wrote there sees its end."""
        if self._console >= 0:
            os.close(self._console)
        if self._pipe is not None:
            self._pipe.close()
        self._console, self._pipe = -1, None

    def __call__(self, level: int, text: str, detail: bool = False) -> None:
        """Log one line, or lose it."""
        if detail and not self.detail:
            return
        if self.dropped:
            lost, self.dropped = self.dropped, 0
            self._put(WARNING, f"{lost} log lines were lost, nobody read them")
        self._put(level, text)

    def _put(self, level: int, text: str) -> None:
        ok = True
        if self.on_console:
            stamp = time.strftime("%a %b %e %H:%M:%S %Y")
            ok = self._write(f"{stamp}: {text}\n".encode(errors="replace"))
        if self._facility is not None:
            ok = self._send(level, text) and ok
        if not ok:
            self.dropped += 1

    def _write(self, line: bytes) -> bool:
        try:
            if self._pipe is not None:
                return self._pipe.send(line[:4096], socket.MSG_DONTWAIT) > 0
            return os.write(self._console, line[:4096]) > 0
        except OSError:
            return False

    def _send(self, level: int, text: str) -> bool:
        """To syslog. False when it does not keep up; where there is none, nothing is lost that anybody wanted."""
        assert self._facility is not None
        packet = f"<{self._facility * 8 + level}>{self.ident}[{os.getpid()}]: {text}".encode(errors="replace")
        for _ in range(2):
            try:
                if self._syslog is None:
                    self._syslog = socket.socket(
                        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                    )
                    self._syslog.connect("/dev/log")
                self._syslog.send(packet[:8000])
            except BlockingIOError:
                return False
            except OSError:  # there is none, or it was restarted and its socket is a new one
                if self._syslog is not None:
                    self._syslog.close()
                self._syslog = None
            else:
                return True
        return True


def _as_socket(fd: int) -> socket.socket | None:
    """The journal gives a service a socket for its standard error."""
    try:
        return socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(os.fstat(fd).st_mode) else None
    except OSError:
        return None


def _reopen(fd: int) -> int:
    """The same pipe or terminal with flags of its own; -1 when it cannot be had so: better silent than stuck.

    A file is not opened anew: only who shares the descriptor shares its place in the file, and a shell's ``>file`` is
    shared with tracebacks, with our children and with whatever the shell starts after us. Writing to it does not wait
    for a reader.
    """
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return os.dup(fd)
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return -1


# ------------------------------------------------------------------------------------------------ line to the parent

_FRAME = struct.Struct("!cI")
_LARGEST = 256 * 1024 * 1024


#: Descriptors in one message. Linux takes 253 (SCM_MAX_FD).
FDS_MAX = 60


class _Parcel(NamedTuple):
    """What is left to send of a message, and descriptors of ours that go with its first byte."""

    data: bytearray
    fds: list[int]


class Message(NamedTuple):
    """What came over the line: `body` is a JSON object or, downwards only, a pickled value; `fds` came with it."""

    body: Any
    fds: list[int]


class Line:
    """One end of a socket pair between the supervisor and a worker: whole messages, in order, never blocking.

    Upwards everything is JSON; only a worker, which trusts its parent, reads pickles (`trusting`).
    """

    def __init__(self, sock: socket.socket, *, trusting: bool) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._trusting = trusting
        self._in = bytearray()
        self._out: deque[_Parcel] = deque()
        self._fds: list[int] = []
        self._fds_lost = False
        self.closed = False

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        """Close this end. What was not taken yet is lost."""
        self.closed = True
        for fd in (*self._fds, *(fd for parcel in self._out for fd in parcel.fds)):
            os.close(fd)
        self._fds = []
        self._out.clear()
        if self.sock.fileno() >= 0:
            self.sock.close()

    @property
    def waiting(self) -> bool:
        """True when there are bytes that the socket has not taken yet."""
        return bool(self._out)

    def send(self, body: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Send a JSON object, and duplicates of `fds`, of which `body["fds"]` has something to say one by one: at most
        FDS_MAX. They are duplicated now, so they may be closed before the line has taken them."""
        assert len(fds) == len(body.get("fds", ())) <= FDS_MAX
        self._push(b"J", json.dumps(body).encode(), [os.dup(fd) for fd in fds])

    def send_blob(self, blob: bytes) -> None:
        """Send a value that is pickled already. Downwards only."""
        self._push(b"P", blob, [])

    def _push(self, kind: bytes, data: bytes, fds: list[int]) -> None:
        self._out.append(_Parcel(bytearray(_FRAME.pack(kind, len(data)) + data), fds))
        self.flush()

    def flush(self) -> None:
        """Give the socket what it takes."""
        while self._out and not self.closed:
            parcel = self._out[0]
            try:
                if parcel.fds:  # they travel with the first byte
                    sent = socket.send_fds(self.sock, [parcel.data], parcel.fds)
                    while parcel.fds:
                        os.close(parcel.fds.pop())
                else:
                    sent = self.sock.send(parcel.data)
            except BlockingIOError:
                return
            except OSError as error:
                self.closed = error.errno != errno.ETOOMANYREFS  # until the other end has taken what is under way
                return
            del parcel.data[:sent]
            if not parcel.data:
                self._out.popleft()

    def receive(self) -> list[Message]:
        """The messages that are complete. `closed` tells when the other end has gone."""
        while not self.closed:
            try:
                data, fds, flags, _ = socket.recv_fds(self.sock, 1 << 18, FDS_MAX)
            except BlockingIOError:
                break
            except OSError:
                self.closed = True
                break
            self._fds += fds
            self._fds_lost = self._fds_lost or bool(flags & socket.MSG_CTRUNC)
            if not data:
                self.closed = True
                break
            self._in += data
        return list(self._messages())

    def _take_fds(self, count: int) -> list[int]:
        """The next descriptors; none any more when some were lost on the way (we had no room for them): one would not
        know what the others are for."""
        taken, self._fds = self._fds[:count], self._fds[count:]
        if not self._fds_lost:
            return taken
        for fd in taken:
            os.close(fd)
        return []

    def _messages(self) -> list[Message]:
        found = []
        while len(self._in) >= _FRAME.size:
            kind, length = _FRAME.unpack_from(self._in)
            if length > _LARGEST:
                self.closed = True
                break
            end = _FRAME.size + length
            if len(self._in) < end:
                break
            data = bytes(self._in[_FRAME.size:end])
            del self._in[:end]
            if kind == b"P" and self._trusting:
                with no_collection():
                    found.append(Message(pickle.loads(data), []))
            elif kind == b"J":
                body = json.loads(data)
                found.append(Message(body, self._take_fds(len(body.get("fds", ())))))
        return found


# --------------------------------------------------------------------------------------------------- the shared page

_BEAT = struct.Struct("=d")
_STAKES = struct.Struct("=dd")
_STAKES_AT = _BEAT.size
_SLOT = struct.Struct("=IBxxxdIHd")  # check of the name, state, last advert, IPv4 ident., length of the memory, since
_SENT = struct.Struct("=dI")  # the two in the middle of it
_SENT_AT = 8
SLOT_SIZE = 2048
_MEMORY_AT = _SLOT.size
SLOTS = 4096
_STATES = list(State)


class Slot(NamedTuple):
    """What is known of one router on the page. `since` is when it came to its state; 0 = not known."""

    state: State
    last_sent: float
    ident: int
    memory: dict[str, Any]
    since: float = 0.0


class SharedPage:
    """Memory that outlives a worker: its heartbeat, and for each router what its successor needs to go on.

    Made before the fork, so that parent, worker and the next worker see the same page. Each router has a slot by its
    place in the configuration, which holds a check of its name, so that a slot of another configuration is not
    mistaken for one's own.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 4096 + SLOTS * SLOT_SIZE)

    @property
    def heartbeat(self) -> float:
        """When the worker last turned, in monotonic seconds; 0 before its first turn."""
        return float(_BEAT.unpack_from(self._page, 0)[0])

    def beat(self, now: float) -> None:
        """The worker turns."""
        _BEAT.pack_into(self._page, 0, now)

    @property
    def stakes(self) -> tuple[float, float]:
        """The shortest advert interval and the shortest lease of the routers that are MASTER, in seconds; (0, 0) when
        none is."""
        interval, lease = _STAKES.unpack_from(self._page, _STAKES_AT)
        return interval, lease

    def set_stakes(self, interval: float, lease: float) -> None:
        """The routers that are MASTER have changed."""
        _STAKES.pack_into(self._page, _STAKES_AT, interval, lease)

    def write(
        self, index: int, check: int, state: State, last_sent: float, ident: int, since: float = 0.0
    ) -> None:
        """Note a router's state; its memory stays."""
        if index < SLOTS:
            at = 4096 + index * SLOT_SIZE
            length = _SLOT.unpack_from(self._page, at)[4]
            _SLOT.pack_into(self._page, at, check, _STATES.index(state), last_sent, ident, length, since)

    def sent(self, index: int, last_sent: float, ident: int) -> None:
        """Note an advert of a router whose state stands there already."""
        if index < SLOTS:
            _SENT.pack_into(self._page, 4096 + index * SLOT_SIZE + _SENT_AT, last_sent, ident)

    def remember(self, index: int, memory: Mapping[str, Any]) -> None:
        """Note a router's authentication memory (see AuthMemory.as_dict); dropped when it is too long."""
        if index >= SLOTS:
            return
        data = json.dumps(memory, separators=(",", ":")).encode()
        if len(data) > SLOT_SIZE - _MEMORY_AT:
            data = b"{}"
        at = 4096 + index * SLOT_SIZE
        self._page[at + _MEMORY_AT : at + _MEMORY_AT + len(data)] = data
        check, state, last_sent, ident, _, since = _SLOT.unpack_from(self._page, at)
        _SLOT.pack_into(self._page, at, check, state, last_sent, ident, len(data), since)

    def read(self, index: int, name: str) -> Slot | None:
        """What the page holds of the router in this place; None when nothing, or of another."""
        if index >= SLOTS:
            return None
        at = 4096 + index * SLOT_SIZE
        check, state, last_sent, ident, length, since = _SLOT.unpack_from(self._page, at)
        if check != name_check(name) or state >= len(_STATES):
            return None
        try:
            memory = json.loads(self._page[at + _MEMORY_AT : at + _MEMORY_AT + length] or b"{}")
        except ValueError:  # the worker died while it wrote
            memory = {}
        return Slot(_STATES[state], last_sent, ident, memory if isinstance(memory, dict) else {}, since)

    def rearrange(self, names: Sequence[str], before: Sequence[str]) -> None:
        """Give each router its place in `names`. What is known of it may lie there already, or in its place in
        `before`: a worker may have died while it went from one order to the other. The later advert decides."""
        places = {name: index for index, name in enumerate(before)}
        found = []
        for index, name in enumerate(names[:SLOTS]):
            slots = [self._raw(at) for at in {index, places.get(name, index)} if self.read(at, name) is not None]
            found.append(max(slots, key=lambda slot: float(_SLOT.unpack_from(slot)[2]), default=bytes(SLOT_SIZE)))
        for index, slot in enumerate(found):
            at = 4096 + index * SLOT_SIZE
            self._page[at : at + SLOT_SIZE] = slot

    def _raw(self, index: int) -> bytes:
        at = 4096 + index * SLOT_SIZE
        return self._page[at : at + SLOT_SIZE]


def name_check(name: str) -> int:
    """A number that tells names apart, never 0."""
    return zlib.crc32(name.encode()) or 1
