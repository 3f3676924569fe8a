"""What libnftables lists as JSON, and how much news the monitor can keep, in a namespace of their own."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from hakeep.kernel.nft import Nft, NftError, NftMonitor

SCRIPT = """\
table ip t {
	set s { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }
	chain c { counter comment "hello"; }
}
"""


@pytest.mark.netns
def test_listing(lab: Any) -> None:
    def body() -> None:
        with closing(Nft()) as nft:
            nft.run(SCRIPT)
            terse = nft.listing("list table ip t")
            assert [next(iter(each)) for each in terse] == ["table", "set", "chain", "rule"]
            assert "elem" not in terse[1]["set"]
            assert terse[3]["rule"]["comment"] == "hello"
            full = nft.listing("list table ip t", elements=True)
            assert full[1]["set"]["elem"] == ["192.0.2.1", "192.0.2.2"]
            assert nft.read("list table ip t").startswith("table ip t {"), "text is text again"
            with pytest.raises(NftError, match="No such file or directory"):
                nft.listing("list table ip nothing")
            assert nft.read("list table ip t").startswith("table ip t {")

    lab.namespace().run(body)


@pytest.mark.netns
@pytest.mark.parametrize(("buffer", "lost"), [(4096, True), (8 << 20, False)])
def test_the_monitor_keeps_as_much_news_as_it_is_told_to(lab: Any, buffer: int, lost: bool) -> None:
    def body() -> None:
        with closing(Nft()) as nft:
            nft.run("add table ip t\n")
            with closing(NftMonitor("t", nft, buffer)) as monitor:
                nft.run("".join(f"add chain ip t chain_{number}\n" for number in range(2000)))
                assert bool(monitor.receive()) == lost

    lab.namespace().run(body)
