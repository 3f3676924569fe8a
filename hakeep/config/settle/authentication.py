"""Authentication of VRRPv2, and keepalived's HMAC extension."""

from __future__ import annotations

from hakeep.config.diagnostic import Code
from hakeep.config.settle.subject import Subject
from hakeep.config.settled import HmacAuth
from hakeep.config.values.links import HmacKey

#: What authentication adds to an advert, in bytes (behaviour of keepalived).
AH_SIZE = 24
HMAC_SIZE = 28


def settle_authentication(subject: Subject, hmac: bool) -> tuple[str, bytes]:
    """auth_type and the padded password; ("", b"") for none."""
    written = subject.written.authentication
    if written is None:
        return "", b""
    kind, password = written.auth_type or "", written.auth_pass
    problem = ""
    if hmac:
        problem = "auth_hmac takes the place of authentication"
    elif not kind:
        return "", b""
    elif subject.strict:
        problem = "strict_mode does not allow authentication"
    elif subject.version == 3:
        problem = "version 3 has no authentication"
    elif not password:
        if password is None and "auth_pass" in written.places:  # a bad one has been told
            return "", b""
        problem = "authentication needs auth_pass"
    elif kind == "AH" and subject.family == 6:
        problem = "AH is for IPv4 only"
    if problem:
        fix = "use auth_hmac" if subject.version == 3 and not hmac else ""
        subject.error(Code.AUTHENTICATION, f"{problem}; it is left out", "authentication", fix=fix)
        return "", b""
    if kind == "PASS" and subject.family == 6:
        subject.warn(Code.AUTHENTICATION, "a password has no place in adverts over IPv6; it is left out",
                     "authentication", note="keepalived 2.2.7 says in its adverts that there is one, and crashes when "
                     "it hears such an advert", fix="take authentication out, here and at the other routers")
        return "", b""
    if kind == "AH":
        subject.authenticated = AH_SIZE
        if subject.state == "MASTER" and not subject.owner:
            subject.state = "BACKUP"
            subject.error(Code.STATE, "with AH it cannot start as MASTER; BACKUP is used", "state",
                          note="it must hear a peer's sequence number first")
    return kind, (password or "").encode("utf-8", "surrogateescape")[:8].ljust(8, b"\0")


def settle_hmac(subject: Subject) -> HmacAuth | None:
    """auth_hmac, None when it is off or unusable.

    Where it was asked for and cannot be had nothing starts: without it the adverts of this host would not count with
    its peers, nor theirs with it, and both would be MASTER.
    """
    written = subject.written.auth_hmac
    if written is None:
        return None
    keys: dict[int, bytes] = {}
    seen: set[int] = set()
    for index, key in enumerate(written.key):
        if key.id in seen:
            subject.error(Code.AUTH_HMAC, f"key {key.id} is given twice; the first one counts", "key", index=index,
                          section=written)
            continue
        seen.add(key.id)
        try:
            keys[key.id] = _material(subject, key)
        except _Unusable as problem:
            subject.stop(Code.AUTH_HMAC, str(problem), "key", index=index, section=written, fix=_KEY_FILE)
    if written.active_key is None:
        subject.stop(Code.AUTH_HMAC, "active_key is missing", "auth_hmac", fix="write active_key with a key's number")
        return None
    if written.active_key not in seen:
        subject.stop(Code.AUTH_HMAC, f"there is no key {written.active_key}", "active_key", section=written)
    if written.active_key not in keys:
        return None
    mode = written.mode or "enforce"
    if subject.strict and mode != "enforce":
        subject.error(Code.STRICT, "in strict_mode the mode of auth_hmac is enforce", "auth_hmac")
        mode = "enforce"
    subject.authenticated = HMAC_SIZE
    window = written.time_window or max(int(3 * subject.advert_int + 0.999), 5)
    return HmacAuth(tuple(keys.items()), written.active_key, window, written.anti_replay or "time", mode)


class _Unusable(Exception):
    """Why a key is of no use."""


_KEY_FILE = "the file holds the key itself, 32..64 bytes; a line end after it does not count"


def _material(subject: Subject, key: HmacKey) -> bytes:
    """The bytes of a key. Raises _Unusable."""
    if key.kind == "hex":
        return bytes.fromhex(key.text)
    if key.kind == "text":
        return key.text.encode("utf-8", "surrogateescape")
    read = subject.defaults.host.read_file
    content = read(key.text) if read else None
    if content is None:
        raise _Unusable(f"the key file {key.text} cannot be read")
    content = content.rstrip(b"\r\n")
    if not 32 <= len(content) <= 64:
        raise _Unusable(f"the key in {key.text} has {len(content)} bytes, not 32..64")
    return content
