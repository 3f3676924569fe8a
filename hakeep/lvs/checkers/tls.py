"""TLS for checks: sessions are taken up again, and the certificate is looked at if that is asked for.

A full handshake costs us half as much again as one that resumes a session, and the server, which has to sign, far more.
So the last session with each server is kept and offered at the next check. Resumption skips the certificate; where
somebody wants to know of it, a session is not used for longer than `FRESH` seconds.

OpenSSL works on two buffers in memory (ssl.MemoryBIO), not on the socket: a read of the socket then brings all that is
there, and our last message of the handshake leaves in one packet with the request.
"""

from __future__ import annotations

import re
import ssl
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import trio

from hakeep.config.settled_lvs import Peer, Tls
from hakeep.lvs.checkers.attempt import Attempt, Failure, Hindrance, reason
from hakeep.lvs.checkers.stream import PIECE, Stream
from hakeep.wire import certificate

#: Seconds for which a certificate that was seen is believed to be still there.
FRESH = 300.0

#: So many sessions are kept. Each has some kilobytes.
MOST_SESSIONS = 20_000

DAY = 86400.0


class Session(NamedTuple):
    """What is known of a server: its session, when it was made, and when its certificate ends (0 = not asked)."""

    session: ssl.SSLSession | None
    made: float
    ends: float


class Sessions:
    """Contexts and sessions of all TLS probes. A new one forgets them, and reads certificates and keys again."""

    def __init__(self) -> None:
        self._contexts: dict[Tls, ssl.SSLContext] = {}
        self._sessions: OrderedDict[tuple[Peer, Tls], Session] = OrderedDict()

    def context(self, tls: Tls) -> ssl.SSLContext:
        """The context of these settings. Raises Hindrance when a file of theirs cannot be used."""
        context = self._contexts.get(tls)
        if context is None:
            context = self._contexts[tls] = make_context(tls)
        return context

    def get(self, peer: Peer, tls: Tls) -> Session | None:
        """The last session with this server, if it may still be used."""
        session = self._sessions.get((peer, tls))
        if session and (tls.verify or tls.expiry_days) and trio.current_time() - session.made > FRESH:
            return None
        return session

    def put(self, peer: Peer, tls: Tls, session: Session) -> None:
        """Keep it for the next check."""
        self._sessions[peer, tls] = session
        self._sessions.move_to_end((peer, tls))
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)


def unsupported(tls: Tls) -> str:
    """Why these settings cannot be used, as a sentence; "" = they can. Reads certificates and keys."""
    try:
        make_context(tls).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=tls.server_name or "127.0.0.1")
    except Hindrance as error:
        return str(error)
    except ValueError as error:
        return f"{tls.server_name!r} cannot be a server's name in TLS: {error}"
    return ""


def make_context(tls: Tls) -> ssl.SSLContext:
    """A context for these settings. Raises Hindrance with a sentence that names the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verify
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    ignore = 0x80 if ssl.OPENSSL_VERSION_INFO >= (3,) else 0  # SSL_OP_IGNORE_UNEXPECTED_EOF; Python sets it or not
    if tls.compliant:
        context.options &= ~ignore
    else:
        context.options |= ignore
    if not tls.verify:
        # Whoever may be anybody may also be old: nothing is protected, so nothing is gained by refusing him.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        if tls.alpn:
            context.set_alpn_protocols(list(tls.alpn))
    except ssl.SSLError as error:
        raise Hindrance(f"alpn {' '.join(tls.alpn)}: {error}") from None
    try:
        if tls.authorities:
            where = "capath" if Path(tls.authorities).is_dir() else "cafile"
            context.load_verify_locations(**{where: tls.authorities})
        elif tls.verify:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except (OSError, ssl.SSLError) as error:
        raise Hindrance(f"the authorities of {tls.authorities} cannot be used: {_words(error)}") from None
    if tls.certificate:
        try:
            context.load_cert_chain(tls.certificate, tls.key or None, tls.password)
        except (OSError, ssl.SSLError) as error:
            names = " and ".join(filter(None, (tls.certificate, tls.key)))
            raise Hindrance(f"the certificate of {names} cannot be used: {_words(error)}") from None
    return context


def _words(error: OSError) -> str:
    """An error of OpenSSL or the system without its file and line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.lower()
    if isinstance(error, ssl.SSLError):
        words = error.reason or re.sub(r"^\[\w+\]\s*|\s*\(\S* ?ssl\.c:\d+\)$", "", " ".join(map(str, error.args[1:])))
        return words.replace("_", " ").lower()
    return reason(error)


class TlsStream(Stream):
    """An encrypted connection over another one, which it takes over. Made by `secure`."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_over", "_tls")

    def __init__(self, stream: Stream, attempt: Attempt, peer: Peer, tls: Tls, sessions: Sessions) -> None:
        super().__init__(stream._socket, attempt)
        self._tls = tls
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        known = sessions.get(peer, tls)
        name = tls.server_name or (str(peer.ip) if tls.verify else None)
        try:
            self._object = sessions.context(tls).wrap_bio(
                self._incoming, self._outgoing, server_hostname=name, session=known.session if known else None)
        except ValueError as error:
            raise Hindrance(f"{name!r} cannot be a server's name in TLS: {error}") from None
        self._over = False

    @property
    def protocol(self) -> str:
        """What ALPN chose, "" = nothing."""
        return self._object.selected_alpn_protocol() or ""

    async def handshake(self) -> None:
        """Raises Failure or OSError."""
        self._attempt.step("TLS handshake")
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await super()._receive()
                if not data:
                    raise Failure("TLS handshake: the server closed the connection") from None
                self._incoming.write(data)
            except ssl.SSLError as error:
                await self._flush_quietly()
                raise Failure(f"TLS handshake: {_words(error)}") from None
            else:
                return  # what is left in the outgoing buffer goes out with the request

    async def _send(self, data: bytes) -> None:
        """What the handshake has left goes out with it."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise Failure(f"TLS: {_words(error)}") from None
        await self._flush()

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._object.read(PIECE)
            except ssl.SSLWantReadError:
                await self._flush()  # an answer to a key update
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as error:
                if isinstance(error, ssl.SSLEOFError):
                    self._ended_badly()
                return b""
            except ssl.SSLError as error:
                if "UNEXPECTED_EOF" not in str(error.reason):
                    raise Failure(f"TLS: {_words(error)}") from None
                self._ended_badly()
                return b""
            if self._over:
                self._ended_badly()
                return b""
            data = await super()._receive()
            if data:
                self._incoming.write(data)
            else:
                self._over = True
                self._incoming.write_eof()

    def _ended_badly(self) -> None:
        """The connection has ended, and nobody said close_notify."""
        if self._tls.compliant:
            raise Failure("the server ended the connection without close_notify") from None

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await super()._send(data)

    async def _flush_quietly(self) -> None:
        """Send an alert, if anybody still listens."""
        try:
            await self._flush()
        except OSError:
            pass

    async def finish(self, peer: Peer, sessions: Sessions, *, closing: bool = False) -> str:
        """End it, keep the session, and return a warning about the certificate, "" = none. Raises Failure or OSError.

        `closing`: the server was asked to close the connection. A `compliant` probe then waits for its close_notify and
        else says its own first; said to one who has just gone, it would bring a reset that takes his with it.

        A session that was resumed is kept as it is: it serves many times, and a new one costs as much to copy as the
        whole handshake.
        """
        known = sessions.get(peer, self._tls) if self._object.session_reused else None
        if self._tls.compliant:
            await self._say_goodbye(closing)
        else:
            self._hang_up()
        if known is None:
            known = Session(self._object.session, trio.current_time(), self._certificate_ends())
            sessions.put(peer, self._tls, known)
        return self._warning(known.ends)

    def _hang_up(self) -> None:
        """End without a word. OpenSSL must believe that it has said close_notify, or it does not resume the session."""
        try:
            self._object.unwrap()
        except (ssl.SSLError, OSError):
            pass  # it waits for the server's, which need not come

    async def _say_goodbye(self, closing: bool) -> None:
        """Say close_notify and hear it. Raises Failure when the connection ends without."""
        self._attempt.step("waiting for close_notify")
        while closing and await self._receive():
            pass
        while True:
            try:
                self._object.unwrap()
            except ssl.SSLWantReadError:
                await self._flush_quietly()
                data = b"" if self._over else await super()._receive()
                if not data:
                    raise Failure("the server ended the connection without close_notify") from None
                self._incoming.write(data)
            except (ssl.SSLError, OSError):
                return  # it still sends: then there is nothing to be had, and nothing that matters
            else:
                await self._flush_quietly()
                return

    def _certificate_ends(self) -> float:
        """When the server's certificate ends, in seconds since 1970; 0 = nobody asks, or it cannot be read."""
        der = self._object.getpeercert(True) if self._tls.expiry_days else None
        ends = certificate.not_after(der) if der else None
        return ends.timestamp() if ends else 0.0

    def _warning(self, ends: float) -> str:
        if not ends:
            return ""
        left = (ends - datetime.now(UTC).timestamp()) / DAY
        if left >= self._tls.expiry_days:
            return ""
        if left < 0:
            return f"its certificate ended {-left:.0f} days ago"
        return f"its certificate ends in {left:.0f} days"


async def secure(stream: Stream, attempt: Attempt, peer: Peer, tls: Tls, sessions: Sessions) -> TlsStream:
    """TLS on a connection that is open. Raises Failure, Hindrance or OSError."""
    secured = TlsStream(stream, attempt, peer, tls, sessions)
    await secured.handshake()
    return secured
