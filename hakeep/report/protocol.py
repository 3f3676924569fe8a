"""The control protocol: what the user's tool asks of the daemon, and what it answers.

One JSON object a line, in both directions, over a Unix stream socket that only root can open. A request names itself in
``do``; a reply says ``ok`` and carries its data, or carries a sentence in ``error``::

    {"hakeep":1,"do":"standby","routers":["VI_1"],"for":600,"even_if_alone":false}
    {"hakeep":1,"ok":true}

    {"hakeep":1,"do":"status"}
    {"hakeep":1,"ok":true,"status":{"hakeep":1,"version":"0.1.0", ...}}

    {"hakeep":1,"do":"record"}
    {"hakeep":1,"ok":true,"paths":["/run/hakeep/record-..."]}

    {"hakeep":1,"do":"reload"}
    {"hakeep":1,"ok":true,"outcome":"taken","said":[[6,"Changed: ..."]]}

After ``watch`` the server sends a status reply at once, and another after each change, until one side closes.

Everything here is pure: bytes in, values out. `Inbox` is the server's ear for one connection. It never holds more than
64 KiB, and a line that is wrong becomes a `Malformed` to answer rather than an exception in the supervisor's loop.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, ClassVar

from hakeep.report.duration import LONGEST
from hakeep.report.snapshot import VERSION, DaemonSnapshot, SnapshotError, from_document, load, to_document

#: Where a daemon without a name listens.
DEFAULT_SOCKET = "/run/hakeep/control.sock"

#: The longest request line, in bytes. Ten thousand instance names of six letters fit.
LONGEST_LINE = 64 * 1024


class ProtocolError(ValueError):
    """A line that is not a request or reply of this protocol. The text is a sentence."""


class Refused(Exception):
    """The daemon said no. The text is its sentence."""


def socket_path(instance: str = "") -> str:
    """The control socket of the daemon with this instance name ("" = it has none)."""
    return f"/run/hakeep/control_{instance}.sock" if instance else DEFAULT_SOCKET


# -------------------------------------------------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True)
class Status:
    """Say how you are, once."""

    DO: ClassVar[str] = "status"


@dataclass(frozen=True, slots=True)
class Watch:
    """Say how you are now and after each change."""

    DO: ClassVar[str] = "watch"


@dataclass(frozen=True, slots=True)
class Record:
    """Write the flight recorder's events to files."""

    DO: ClassVar[str] = "record"


@dataclass(frozen=True, slots=True)
class Standby:
    """Hand these routers over (none named = all) and stay BACKUP, for `seconds` or (None) until resumed.

    `even_if_alone`: do not serve again when nobody else does.
    """

    DO: ClassVar[str] = "standby"
    routers: tuple[str, ...] = ()
    seconds: float | None = None
    even_if_alone: bool = False


@dataclass(frozen=True, slots=True)
class Resume:
    """End the standby of these routers (none named = all)."""

    DO: ClassVar[str] = "resume"
    routers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the configuration anew. The answer comes when it is known what became of it."""

    DO: ClassVar[str] = "reload"


@dataclass(frozen=True, slots=True)
class Override:
    """What an operator wants of a real server, in one virtual server (by its name) or in all of them ("").

    `what` is ready (undo), drain, down or weight (then `weight` counts, 0 to 2147483647).
    """

    DO: ClassVar[str] = "override"
    what: str
    ip: str
    port: int
    virtual: str = ""
    weight: int = 0


OVERRIDES = ("ready", "drain", "down", "weight")

Request = Status | Watch | Record | Standby | Resume | Reload | Override


def encode_request(request: Request) -> bytes:
    """`request` as a line."""
    fields: dict[str, Any] = {}
    if isinstance(request, Standby | Resume):
        fields |= {"routers": list(request.routers)} if request.routers else {"all": True}
    if isinstance(request, Standby):
        fields |= {"for": request.seconds, "even_if_alone": request.even_if_alone}
    if isinstance(request, Override):
        fields |= asdict(request)
    return _line({"do": request.DO, **fields})


def decode_request(line: bytes) -> Request:
    """The request in `line`. Raises ProtocolError."""
    fields = _object(line)
    match fields.get("do"):
        case "status":
            return Status()
        case "watch":
            return Watch()
        case "record":
            return Record()
        case "reload":
            return Reload()
        case "standby":
            alone = fields.get("even_if_alone", False)
            if not isinstance(alone, bool):
                raise ProtocolError("even_if_alone must be true or false")
            return Standby(_routers(fields), _seconds(fields.get("for")), alone)
        case "resume":
            return Resume(_routers(fields))
        case "override":
            return _override(fields)
        case other:
            raise ProtocolError(f"there is no request {other!r:.40}")


def _override(fields: Mapping[str, Any]) -> Override:
    what, ip, port = fields.get("what"), fields.get("ip"), fields.get("port")
    virtual, weight = fields.get("virtual", ""), fields.get("weight", 0)
    if what not in OVERRIDES:
        raise ProtocolError(f"what must be one of {', '.join(OVERRIDES)}")
    if type(port) is not int or not 0 <= port <= 65535:
        raise ProtocolError("port must be a number from 0 to 65535")
    if type(weight) is not int or not 0 <= weight < 2**31:
        raise ProtocolError("weight must be a number from 0 to 2147483647")
    try:
        address = ip_address(ip if isinstance(ip, str) else "")
    except ValueError:
        raise ProtocolError("ip must be an IP address") from None
    if not isinstance(virtual, str):
        raise ProtocolError("virtual must be the name of a virtual server")
    return Override(what, str(address), port, virtual, weight)


def _routers(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The names, or () for all. To name none and not to say "all" is a mistake that must not stop everything."""
    names, everything = fields.get("routers"), fields.get("all", False)
    if everything is True and names is None:
        return ()
    if everything is False and isinstance(names, list) and names and all(isinstance(n, str) and n for n in names):
        return tuple(names)
    raise ProtocolError("name the routers, or say all, and not both")


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value <= LONGEST:  # type: ignore[operator]
        raise ProtocolError("for must be a number of seconds")
    return float(value)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------- replies


def encode_ok(**fields: object) -> bytes:
    """A plain success, with `fields` beside it."""
    return _line({"ok": True, **fields})


def encode_error(sentence: str) -> bytes:
    """A refusal, for the user to read."""
    return _line({"ok": False, "error": sentence})


def encode_status(snapshot: DaemonSnapshot) -> bytes:
    """The reply to `Status`, and each line after `Watch`."""
    return encode_ok(status=to_document(snapshot))


def encode_status_around(snapshot: DaemonSnapshot, virtual_servers: Sequence[bytes]) -> Iterator[bytes]:
    """The same in pieces, with JSON texts of virtual servers in the place of the snapshot's own. Each text has one or
    more of them: who only passes them on need not look into them, and there may be ten thousands."""
    document = to_document(snapshot)
    del document["virtual_servers"]
    line = encode_ok(status=document)
    closing = b"}}\n"
    yield line.removesuffix(closing) + b',"virtual_servers":['
    for number, text in enumerate(virtual_servers):
        if number:
            yield b","
        yield text
    yield b"]" + closing


class Outcome(StrEnum):
    """What became of a reload."""

    TAKEN = "taken"  # the workers run with it
    UNCHANGED = "unchanged"  # it says what the one in force says
    REFUSED = "refused"  # it cannot be used: the one in force stays
    GIVEN_UP = "given up"  # a worker died taking it over: the one before is in force again
    AWAITED = "awaited"  # a worker is slow to take it over


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The answer to `Reload`: the outcome, and what was said on the way, each with its syslog level."""

    outcome: Outcome
    said: tuple[tuple[int, str], ...] = ()


def encode_reloaded(reloaded: Reloaded) -> bytes:
    """The reply to `Reload`."""
    return encode_ok(outcome=reloaded.outcome.value, said=[list(each) for each in reloaded.said])


def decode_reloaded(line: bytes) -> Reloaded:
    """What a reply to `Reload` says. Raises Refused or ProtocolError."""
    fields = decode_reply(line)
    try:
        outcome = Outcome(str(fields.get("outcome")))
        said = tuple((int(level), str(text)) for level, text in fields.get("said", ()))
    except (TypeError, ValueError):
        raise ProtocolError("the reply does not say what became of the reload") from None
    return Reloaded(outcome, said)


def decode_reply(line: bytes) -> dict[str, Any]:
    """What stands beside ``ok`` in a reply. Raises Refused with the daemon's sentence, or ProtocolError."""
    fields = _object(line)
    if fields.get("ok") is True:
        return {name: value for name, value in fields.items() if name not in ("hakeep", "ok")}
    if fields.get("ok") is False and isinstance(fields.get("error"), str):
        raise Refused(fields["error"])
    raise ProtocolError("the reply says neither ok nor what is wrong")


def decode_status(line: bytes) -> DaemonSnapshot:
    """The snapshot in a reply to `Status` or `Watch`. Raises Refused or ProtocolError."""
    try:
        return from_document(decode_reply(line).get("status"), DaemonSnapshot)
    except SnapshotError as error:
        raise ProtocolError(str(error)) from None


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps({"hakeep": VERSION, **fields}, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = load(line)
    except SnapshotError as error:
        raise ProtocolError(str(error)) from None
    if not isinstance(fields, dict):
        raise ProtocolError("this is not a JSON object")
    if fields.get("hakeep") != VERSION:
        raise ProtocolError(f"this daemon speaks version {VERSION} of the control protocol")
    return fields


# ------------------------------------------------------------------------------------------------ the server's ear


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that cannot be obeyed: answer with `encode_error(sentence)`, and then close if it is `fatal`."""

    sentence: str
    fatal: bool = False


class Inbox:
    """Turns the bytes of one connection into requests. Bounded: an endless line is a fatal `Malformed`, once."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._dead = False

    def feed(self, data: bytes) -> list[Request | Malformed]:
        """The requests that `data` completes, in order. Empty lines are nothing; after a fatal one nothing is heard."""
        if self._dead:
            return []
        self._pending += data
        *lines, rest = bytes(self._pending).split(b"\n")
        found = [self._read(line) for line in lines if line.strip()]
        self._pending = bytearray(rest)
        if len(rest) > LONGEST_LINE:
            found.append(Malformed(f"a request is longer than {LONGEST_LINE} bytes", fatal=True))
        for index, item in enumerate(found):
            if isinstance(item, Malformed) and item.fatal:
                self._dead = True
                self._pending.clear()
                return found[: index + 1]
        return found

    @staticmethod
    def _read(line: bytes) -> Request | Malformed:
        if len(line) > LONGEST_LINE:
            return Malformed(f"a request is longer than {LONGEST_LINE} bytes", fatal=True)
        try:
            return decode_request(line)
        except ProtocolError as error:
            return Malformed(str(error))
