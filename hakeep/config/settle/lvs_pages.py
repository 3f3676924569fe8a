"""What HTTP checks ask for and how checks speak TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hakeep.config.schema import Plain
from hakeep.config.settled_lvs import HttpProbe, Page, Pattern, Peer, Tls

#: Keywords that turn TLS on where a check can do without it.
_TLS_WORDS = ("sni_name", "tls_verify", "tls_ca", "tls_expiry_warning", "alpn")
_OF_TLS = frozenset({"tls", *_TLS_WORDS})

#: Statuses that are good when none are named.
_GOOD = ((200, 299),)


def settle_tls(block: Plain, ssl: Plain | None, *, alpn: tuple[str, ...] = (), **more: Any) -> Tls | None:
    """TLS of the check that a block is; None = without. `ssl` is the SSL block, `alpn` what is offered when nothing is
    said, `more` are further fields."""
    if not more and _OF_TLS.isdisjoint(block.values):
        return None
    said = block.get
    if not more and not said("tls", any(said(word) for word in _TLS_WORDS)):
        return None
    known = ssl if ssl is not None else Plain()
    return Tls(**{
        "server_name": said("sni_name", ""),
        "verify": bool(said("tls_verify")),
        "authorities": said("tls_ca") or known.get("ca", ""),
        "certificate": known.get("certificate", ""),
        "key": known.get("key", ""),
        "password": known.get("password", ""),
        "expiry_days": said("tls_expiry_warning", 0),
        "alpn": said("alpn") or alpn,
    } | more)


def settle_http(
    block: Plain, peer: Peer, virtualhost: str | None, ssl: Plain | None, *, encrypted: bool,
) -> Iterator[HttpProbe]:
    """The probes of HTTP_GET or SSL_GET; none without a page.

    It is one, unless pages of several hosts are asked for by their names in TLS: a connection has one name, so then
    each host is a probe of its own. The server is up when all of them pass, as it were with one.
    """
    protocol = block.get("http_protocol", "1.0").upper()
    pages: dict[str, list[Page]] = {}
    for url in block.get("url", ()):
        if url.get("path"):
            name = url.get("virtualhost") or virtualhost or ""
            pages.setdefault(_server_name(block, name) if encrypted else "", []).append(_page(url, name, peer))
    compliant = bool(block.get("tls_compliant")) or any(url.get("tls_compliant") for url in block.get("url", ()))
    for server_name, asked in pages.items():
        tls = settle_tls(block, ssl, alpn=("h2",) if protocol == "2" else (), server_name=server_name,
                         compliant=compliant) if encrypted else None
        yield HttpProbe(
            peer, tuple(asked), tls, protocol, bool(block.get("fast_recovery")),
            block.get("http_body_max", HttpProbe.__dataclass_fields__["body_max"].default))


def _server_name(block: Plain, host: str) -> str:
    """The name that is sent in TLS. Whoever wants the certificate verified wants it for that name."""
    if block.get("sni_name"):
        return str(block.get("sni_name"))
    return _bare(host) if block.get("enable_sni") or block.get("tls_verify") else ""


def _bare(host: str) -> str:
    """A Host header's name without a port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and ":" not in name else host


def _page(url: Plain, host: str, peer: Peer) -> Page:
    user, password = url.get("basic_auth", ("", ""))
    path, value = url.get("json_path", ("", ""))
    expected = tuple((name, rest[0] if rest else "") for name, *rest in url.get("expect_header", ()))
    return Page(
        path=url.get("path"),
        host=host or _at(peer),
        statuses=url.get("status_code") or _GOOD,
        digest=url.get("digest", "").lower(),
        pattern=settle_pattern(url),
        method=url.get("method", "GET"),
        headers=url.get("header", ()),
        body=url.get("body", b""),
        user=user,
        password=password,
        expected_headers=expected,
        json_path=path,
        json_value=value,
        redirects=url.get("follow_redirects", 0),
    )


def settle_pattern(url: Plain) -> Pattern | None:
    """What is looked for on a page, None = nothing."""
    text = url.get("regex")
    if text is None:
        return None
    return Pattern(
        text, url.get("regex_options", ()), url.get("regex_min_offset", 0), url.get("regex_max_offset", 0),
        bool(url.get("regex_no_match")))


def _at(peer: Peer) -> str:
    """An address and port as a Host header has them."""
    return f"[{peer.ip}]:{peer.port}" if peer.ip.version == 6 else f"{peer.ip}:{peer.port}"
