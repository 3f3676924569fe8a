"""SSL_GET: certificates, sessions, ends, alerts."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import DEADLINE, LONG, SHORT, Certificate, Server, ask, be_silent, read_request, replies, serving

from hakeep.config.settled_lvs import HttpProbe, Page, TcpProbe, Tls
from hakeep.lvs.checkers import Kit, unsupported
from hakeep.lvs.checkers import tls as tls_module
from hakeep.lvs.checkers.attempt import PATIENCE
from hakeep.lvs.messages import Result
from tests.effort import tries

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
PAGES = (Page("/s", "good.example"),)


def probe_of(server: Server, tls: Tls, timeout: float = LONG) -> HttpProbe:
    return HttpProbe(server.peer(timeout), PAGES, tls)


async def fetch(certificate: Certificate, tls: Tls) -> Result:
    async with serving(replies(OK), context=certificate.context()) as server:
        return await ask(probe_of(server, tls))


@pytest.mark.trio
async def test_any_certificate_will_do_and_no_name_is_sent(certificate: Certificate) -> None:
    names: list[str | None] = []
    context = certificate.context()
    context.sni_callback = lambda socket, name, context: names.append(name)
    async with serving(replies(OK), context=context) as server:
        result = await ask(probe_of(server, Tls()))
        assert (result.ok, result.why) == (True, "status 200")
        assert (await ask(probe_of(server, Tls(server_name="sni.example")))).ok
    assert names == [None, "sni.example"]
    assert server.heard == [b"GET /s HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: good.example\r\n\r\n"] * 2


@pytest.mark.parametrize("oldest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.trio
async def test_sessions_are_resumed(certificate: Certificate, oldest: ssl.TLSVersion) -> None:
    reused = []
    context = certificate.context()
    context.minimum_version = context.maximum_version = oldest

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        assert isinstance(stream, trio.SSLStream)
        await read_request(stream, server)
        reused.append(stream.session_reused)
        await stream.send_all(OK)

    async with serving(handler, context=context) as server:
        kit = Kit()
        for _ in range(4):
            assert (await ask(probe_of(server, Tls()), kit=kit)).ok
        assert (await ask(probe_of(server, Tls()))).ok
    assert reused == [False, True, True, True, False]


@pytest.mark.trio
async def test_a_certificate_that_is_looked_at_is_looked_at_again(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_module, "FRESH", -1.0)
    reused = []

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        assert isinstance(stream, trio.SSLStream)
        await read_request(stream, server)
        reused.append(stream.session_reused)
        await stream.send_all(OK)

    async with serving(handler, context=certificate.context()) as server:
        kit = Kit()
        for _ in range(2):
            assert (await ask(probe_of(server, Tls(expiry_days=10)), kit=kit)).ok
    assert reused == [False, False]


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_module, "MOST_SESSIONS", 3)
    sessions = tls_module.Sessions()
    for port in range(10):
        sessions.put(Server("127.0.0.1", port).peer(), Tls(), tls_module.Session(None, 0.0, 0.0))
    kept = [port for port in range(10) if sessions.get(Server("127.0.0.1", port).peer(), Tls())]
    assert kept == [7, 8, 9]


@pytest.mark.parametrize(("tls", "why"), [
    (lambda file: Tls(verify=True, authorities=file), "status 200"),
    (lambda file: Tls("good.example", verify=True, authorities=file), "status 200"),
    (lambda file: Tls("bad.example", verify=True, authorities=file),
     "TLS handshake: hostname mismatch, certificate is not valid for 'bad.example'."),
    (lambda file: Tls("good.example", verify=True), "TLS handshake: self-signed certificate"),
    (lambda file: Tls(expiry_days=400), "status 200; its certificate ends in 36"),
    (lambda file: Tls(expiry_days=300), "status 200"),
], ids=range(6))
@pytest.mark.trio
async def test_verification(certificate: Certificate, tls: Callable[[str], Tls], why: str) -> None:
    result = await fetch(certificate, tls(certificate.file))
    assert result.why.startswith(why)
    assert result.ok is why.startswith("status 200")
    assert not result.local


@pytest.mark.trio
async def test_a_certificate_that_ends_soon(short_certificate: Certificate) -> None:
    result = await fetch(short_certificate, Tls(expiry_days=14, verify=True, authorities=short_certificate.file))
    assert (result.ok, result.why) == (True, "status 200; its certificate ends in 3 days")


@pytest.mark.trio
async def test_our_own_certificate(certificate: Certificate) -> None:
    context = certificate.context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate.file)
    async with serving(replies(OK), context=context) as server:
        assert (await ask(probe_of(server, Tls(certificate=certificate.file, key=certificate.key)))).ok
        result = await ask(probe_of(server, Tls()))
    assert not result.ok and not result.local


@pytest.mark.trio
async def test_files_that_cannot_be_used_are_ours(certificate: Certificate, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("nothing")
    for tls in (Tls(certificate=str(tmp_path / "none.pem")), Tls(authorities=str(garbage), verify=True),
                Tls(certificate=certificate.file, key=str(garbage))):
        result = await fetch(certificate, tls)
        assert (result.ok, result.local) == (False, True)
        assert "cannot be used" in result.why
        assert "cannot be used" in unsupported(TcpProbe(Server("127.0.0.1", 1).peer(), tls=tls))
    good = Tls(certificate=certificate.file, key=certificate.key)
    assert unsupported(TcpProbe(Server("127.0.0.1", 1).peer(), tls=good)) == ""


@pytest.mark.parametrize("tls", [
    Tls(".x"), Tls("x" * 300), Tls("a..b"), Tls(alpn=("",)), Tls(alpn=("x" * 300,))], ids=range(5))
@pytest.mark.trio
async def test_settings_that_cannot_be_are_ours(certificate: Certificate, tls: Tls) -> None:
    assert unsupported(TcpProbe(Server("127.0.0.1", 1).peer(), tls=tls))
    result = await fetch(certificate, tls)
    assert (result.ok, result.local) == (False, True)


async def hang_up(stream: trio.abc.Stream, server: Server) -> None:
    """Answer without a length and close without close_notify."""
    assert isinstance(stream, trio.SSLStream)
    await read_request(stream, server)
    await stream.send_all(b"HTTP/1.0 200 OK\r\n\r\nabc")
    await stream.transport_stream.aclose()


async def say_goodbye(stream: trio.abc.Stream, server: Server) -> None:
    assert isinstance(stream, trio.SSLStream)
    await read_request(stream, server)
    await stream.send_all(OK)
    await stream.unwrap()


@pytest.mark.parametrize(("handler", "compliant", "why"), [
    (hang_up, False, "status 200"),
    (hang_up, True, "the server ended the connection without close_notify"),
    (say_goodbye, False, "status 200"),
    (say_goodbye, True, "status 200"),
])
@pytest.mark.trio
async def test_the_end(certificate: Certificate, handler: Callable, compliant: bool, why: str) -> None:  # type: ignore[type-arg]
    async with serving(handler, context=certificate.context()) as server:
        result = await ask(probe_of(server, Tls(compliant=compliant)))
    assert result.why == why
    assert result.ok is (why == "status 200")


@pytest.mark.trio
async def test_an_alert_instead_of_a_handshake(certificate: Certificate) -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await stream.receive_some()
        await stream.send_all(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake_failure

    async with serving(handler) as server:
        result = await ask(probe_of(server, Tls()))
    assert not result.ok and not result.local
    assert result.why.startswith("TLS handshake: ") and "handshake failure" in result.why


@pytest.mark.parametrize(("handler", "why"), [
    (replies(b"HTTP/1.1 400 This is no TLS\r\n\r\n"), "TLS handshake: "),
    (be_silent, f"TLS handshake: nothing came for {SHORT:g} s"),
])
@pytest.mark.trio
async def test_no_tls(handler: Callable, why: str) -> None:  # type: ignore[type-arg]
    async def hear(stream: trio.abc.Stream, server: Server) -> None:
        await stream.receive_some()
        await handler(stream, server) if handler is be_silent else await stream.send_all(b"HTTP/1.1 400 No\r\n\r\n")

    async with serving(hear) as server:
        result = await ask(probe_of(server, Tls(), SHORT))
    assert not result.ok and result.why.startswith(why)


@pytest.mark.trio
async def test_closed_in_the_handshake() -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await stream.receive_some()

    async with serving(handler) as server:
        result = await ask(probe_of(server, Tls()))
    assert (result.ok, result.why) == (False, "TLS handshake: the server closed the connection")


@pytest.mark.trio
async def test_tcp_with_tls(certificate: Certificate) -> None:
    async with serving(replies(b"+PONG\r\n"), context=certificate.context()) as server:
        result = await ask(TcpProbe(server.peer(), b"PING\r\n\r\n", b"+PONG", Tls(expiry_days=9999)))
        assert result.ok and result.why.startswith("answered as expected; its certificate ends in")
    async with serving(be_silent, context=certificate.context()) as server:
        assert (await ask(TcpProbe(server.peer(SHORT), tls=Tls()))).ok is False  # a server that never shakes hands


RECORDS = st.sampled_from([b"\x16\x03\x03", b"\x15\x03\x03\x00\x02\x02", b"\x00"])


@given(st.lists(RECORDS | st.binary(max_size=60), max_size=6))
@settings(max_examples=tries(60), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_server_says(pieces: list[bytes]) -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await stream.receive_some()
        await stream.send_all(b"".join(pieces))

    async def main() -> None:
        with trio.fail_after(DEADLINE):
            async with serving(handler) as server:
                result = await ask(probe_of(server, Tls(), 0.05))
            assert not result.ok and not result.local and result.latency < 0.05 * PATIENCE + 1

    trio.run(main)
