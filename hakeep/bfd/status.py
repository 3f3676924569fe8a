"""What a BFD session shows of itself, for reports: plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One session. `up` is what VRRP and the checkers were told; `why` is why it is so. `trouble` is what is wrong with
    its socket, "" = nothing. `since` is when its state last changed, in monotonic seconds. Intervals are those agreed
    on, in seconds, before jitter; `detect_time` is 0 while the other end has said nothing. `refused` counts packets
    that were for this session and wrong; `ups` and `downs` how often it came up and went down."""

    name: str
    neighbor_ip: str
    source_ip: str
    source_port: int
    port: int
    state: str
    diagnostic: str
    up: bool
    why: str
    trouble: str
    since: float
    remote_state: str
    remote_diagnostic: str
    discriminator: int
    remote_discriminator: int
    multiplier: int
    remote_multiplier: int
    tx_interval: float
    rx_interval: float
    detect_time: float
    polling: bool
    passive: bool
    received: int
    sent: int
    refused: int
    send_errors: int
    ups: int
    downs: int
