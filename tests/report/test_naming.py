from __future__ import annotations

import pytest

from hakeep.report import naming
from hakeep.report.naming import Place, Unknown
from hakeep.report.snapshot import RealSnapshot, VirtualSnapshot

WEB = VirtualSnapshot("10.0.0.1 80", "[10.0.0.1]:tcp:80", reals=(
    RealSnapshot("10.0.0.2", 80, "[10.0.0.2]:tcp:80"), RealSnapshot("10.0.0.3", 80), RealSnapshot("10.0.0.3", 81)))
WEB6 = VirtualSnapshot("fd00::1 80", "[fd00::1]:tcp:80", reals=(RealSnapshot("fd00::2", 80),))
DNS = VirtualSnapshot("10.0.0.1 53 UDP", "[10.0.0.1]:udp:53")
MARK = VirtualSnapshot("fwmark 5", "FWM 5", reals=(RealSnapshot("10.0.0.2", 0),))
SHOP = VirtualSnapshot("group shop", "[shop]:0")
ALL = (WEB, WEB6, DNS, MARK, SHOP)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("10.0.0.2:80", Place("10.0.0.2", 80)),
        ("10.0.0.2 80", Place("10.0.0.2", 80)),
        ("[fd00::2]:80", Place("fd00::2", 80)),
        ("FD00:0::2 80", Place("fd00::2", 80)),
        ("[fd00::2] 80", Place("fd00::2", 80)),
        ("fd00::2", Place("fd00::2", 0)),
        ("10.0.0.2", Place("10.0.0.2", 0)),
        ("10.0.0.2:0", Place("10.0.0.2", 0)),
        ("10.0.0.2:65536", None),
        ("10.0.0.2:http", None),
        ("10.0.0.2 80 90", None),
        ("10.0.0.2:80 90", None),
        ("10.0.0.2:-1", None),
        ("10.0.0.2:²", None),
        ("web:80", None),
        ("", None),
        (":80", None),
    ],
)
def test_places(text: str, place: Place | None) -> None:
    assert naming.place(text) == place


@pytest.mark.parametrize("place", [Place("10.0.0.2", 80), Place("fd00::2", 80), Place("fd00::2", 0)])
def test_a_place_is_written_as_it_is_read(place: Place) -> None:
    assert naming.place(str(place)) == place


@pytest.mark.parametrize(
    ("text", "virtual"),
    [
        ("10.0.0.1 80", WEB), ("10.0.0.1:80", WEB), ("  10.0.0.1   80 ", WEB), ("[10.0.0.1]:tcp:80", WEB),
        ("fd00::1 80", WEB6), ("[fd00::1]:80", WEB6), ("fd00:0:0::1 80", WEB6),
        ("10.0.0.1 53 UDP", DNS), ("10.0.0.1:53 UDP", DNS), ("10.0.0.1:53", DNS),
        ("fwmark 5", MARK), ("FWM 5", MARK), ("group shop", SHOP), ("group  shop", SHOP),
    ],
)  # fmt: skip
def test_virtual_servers(text: str, virtual: VirtualSnapshot) -> None:
    assert naming.virtual(text, ALL) == virtual


@pytest.mark.parametrize("text", ["10.0.0.2", "10.0.0.1:8", "fwmark", "shop", "", "10.0.0.1 80 UDP"])
def test_an_unknown_virtual_server(text: str) -> None:
    with pytest.raises(Unknown, match=r"^there is no virtual server .*; there are 10\.0\.0\.1 80"):
        naming.virtual(text, ALL)


def test_what_begins_alike_is_not_guessed() -> None:
    sctp = VirtualSnapshot("10.0.0.1 53 SCTP")
    with pytest.raises(Unknown, match=r"there are 10\.0\.0\.1 53 UDP, 10\.0\.0\.1 53 SCTP$"):
        naming.virtual("10.0.0.1 53", (*ALL, sctp))


def test_real_servers() -> None:
    assert naming.real("10.0.0.2:80", ALL) == Place("10.0.0.2", 80)
    assert naming.real("[10.0.0.2]:tcp:80", ALL) == Place("10.0.0.2", 80), "as logs say"
    assert naming.real("fd00::2", ALL) == Place("fd00::2", 80), "it has one port"
    assert naming.real("10.0.0.2", ALL) == Place("10.0.0.2", 0), "of a mark, without a port"
    assert naming.real("10.0.0.2", [WEB]) == Place("10.0.0.2", 80)


@pytest.mark.parametrize(
    ("text", "virtuals", "sentence"),
    [
        ("10.0.0.9:80", [WEB], "there is no real server '10.0.0.9:80' in virtual server 10.0.0.1 80; "
         "there are 10.0.0.2:80, 10.0.0.3:80, 10.0.0.3:81"),
        ("10.0.0.3", [WEB, WEB6], "there is no real server '10.0.0.3'; there are 10.0.0.3:80, 10.0.0.3:81"),
        ("web1", [WEB6], "there is no real server 'web1' in virtual server fd00::1 80; there are [fd00::2]:80"),
        ("web1", [], "'web1' is not a real server; write it like 10.0.0.2:80 or [fd00::2]:80"),
        ("10.0.0.2:80", [], "there is no real server '10.0.0.2:80'; there are none"),
    ],
)
def test_an_unknown_real_server(text: str, virtuals: list[VirtualSnapshot], sentence: str) -> None:
    with pytest.raises(Unknown) as caught:
        naming.real(text, virtuals)
    assert str(caught.value) == sentence


def test_a_long_list_is_cut() -> None:
    assert naming.listed(map(str, range(14))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"
