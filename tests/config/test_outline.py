"""What stands where in a configuration, and what its words refer to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.forms.outline import Place, Reference, outline, reference, targets

TEXT = """\
$VIP=192.0.2.1 \\
  { no } block
vrrp_script chk { script "/bin/{x}" }  # { a comment
vrrp_instance a { track_script { chk weight 2 }
  @b virtual_ipaddress {
    $VIP
  }
}
virtual_server group web {
}
virtual_server_group web { }
@x include conf.d/{a,b}.conf
vrrp_sync_group g { group { a } }
"""


def test_blocks_and_their_ends() -> None:
    found = [(" ".join(word.text for word in item.words) or item.defines, item.block, item.last)
             for item in outline(TEXT)]
    assert found == [
        ("VIP", False, (0, 16)), ("vrrp_script chk", True, (2, 37)), ("vrrp_instance a", True, (7, 1)),
        ("virtual_server group web", True, (9, 1)), ("virtual_server_group web", True, (10, 28)),
        ("include conf.d/{a,b}.conf", False, (11, 28)), ("vrrp_sync_group g", True, (12, 33)),
    ]
    assert [[word.text for word in child.words] for child in outline(TEXT)[2].children] == [
        ["track_script"], ["virtual_ipaddress"]]


@pytest.mark.parametrize(("place", "wanted", "found"), [
    ((3, 35), Reference("chk", ("vrrp_script",)), [Place(2, 12, 15)]),
    ((5, 6), Reference("VIP"), [Place(0, 0, 4)]),
    ((8, 22), Reference("web", ("virtual_server_group",)), [Place(10, 21, 24)]),
    ((12, 29), Reference("a", ("vrrp_instance",)), [Place(3, 14, 15)]),
])
def test_references_lead_to_what_they_name(
    place: tuple[int, int], wanted: Reference, found: list[Place]
) -> None:
    assert reference(TEXT, *place) == wanted
    assert targets(TEXT, wanted) == found


def test_an_include_refers_to_files() -> None:
    assert reference(TEXT, 11, 20) == Reference("conf.d/{a,b}.conf", ("include",))


def test_what_refers_to_nothing() -> None:
    assert [reference(TEXT, *place) for place in ((2, 3), (3, 40 - 25), (6, 0), (99, 0), (-1, 0))] == [None] * 5


@given(st.text(st.sampled_from("ab{}$\\\n #\"@~=!\t")) | st.text(), st.integers(-1, 9), st.integers(-1, 30))
def test_any_text_has_an_outline(text: str, line: int, column: int) -> None:
    lines = text.count("\n")
    pending = outline(text)
    while pending:
        item = pending.pop()
        assert 0 <= item.place.line <= item.last[0] <= lines
        pending += item.children
    if wanted := reference(text, line, column):
        targets(text, wanted)


def test_ten_thousand_blocks_in_one_another_are_not_followed() -> None:
    item, depth = outline("a {\n" * 10_000)[0], 1
    while item.children:
        item, depth = item.children[-1], depth + 1
    assert depth < 20
