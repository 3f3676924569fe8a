"""Sockets of the worker before: what nobody uses is closed."""

from __future__ import annotations

import os

from hakeep.kernel.wire_lane import WireLane


def test_inherited_sockets_that_nobody_needs_are_closed() -> None:
    reader, writer = os.pipe()
    lane = WireLane(lambda _: None, lambda _: None, {"112:1:224.0.0.18": writer})
    lane.close_unused()
    assert os.read(reader, 1) == b"", "nobody has the other end any more"
    lane.close_unused()
    os.close(reader)
