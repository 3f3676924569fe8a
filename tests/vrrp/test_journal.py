"""Complaints are not made over and over."""

from __future__ import annotations

from hakeep.vrrp.journal import QUIET, Complaints
from hakeep.vrrp.messages import Effect, Log


def test_a_complaint_is_made_again_only_after_a_while() -> None:
    out: list[Effect] = []
    complaints = Complaints(out)
    for at in (0.0, 1.0, QUIET - 0.1, QUIET, QUIET + 1.0):
        complaints.make(at, "V", "checksum_err", f"at {at:g}")
    complaints.make(2.0, "W", "checksum_err", "another router")
    complaints.make(3.0, "V", "ip_ttl_err", "another kind")
    texts = [effect.text for effect in out if isinstance(effect, Log)]
    assert texts == ["(V) at 0", f"(V) at {QUIET:g}", "(W) another router", "(V) another kind"]


def test_once_is_once() -> None:
    out: list[Effect] = []
    complaints = Complaints(out)
    for _ in range(3):
        complaints.make_once("V", "10.9.0.100", "it is there already")
    assert len(out) == 1
