"""YAML in an editor: what may be written at a place, and what stands there."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from hakeep.config.forms import yaml_complete, yaml_outline
from hakeep.config.forms.outline import Place, Reference

ROOT = Path(__file__).resolve().parents[2]

BLOCKS = """\
vrrp_script:
  chk: {script: /bin/true}
  'odd one': {script: /bin/true}
vrrp_instance:
- name: web
  priority: 3
- name: mail  # the other
"""


def complete(text: str) -> list[str]:
    """What is offered at the |, as it is written."""
    before, _, after = text.partition("|")
    line = before.count("\n")
    return [found.insert for found in yaml_complete.complete(
        before + after, line, len(before) - before.rfind("\n") - 1)]


@pytest.mark.parametrize(("text", "some"), [
    ("|", ["global_defs:", "vrrp_instance:"]),
    ("glob|", ["global_defs:"]),
    ("global_defs:\n  router_|\nvrrp_instance:\n", ["router_id: "]),
    ("global_defs:\n  router_|: x", ["router_id"]),
    ("global_defs:\n  a: b\n\n|", ["vrrp_instance:"]),
    ("vrrp_instance:\n  web:\n    nopre|", ["nopreempt: true"]),
    ("vrrp_instance:\n  web:\n    virtual_ipa|", ["virtual_ipaddress:", "virtual_ipaddress_excluded:"]),
    ("vrrp_instance:\n  'a b':\n    # x\n\n    state: M|", ["MASTER"]),
    ("virtual_server:\n  2001:db8::1 80:\n    lb_algo: r|", ["rr"]),
    ("virtual_server:\n  192.0.2.1 80:\n    real_server:\n      10.0.0.1 80:\n        HTTP_GET:\n          url:\n"
     "            - pa|", ["path: "]),
    ("global_defs:\n  vrrp_notify_priority_changes: |", ["true", "false"]),
    ("vrrp_instance:\n  web:\n    nopreempt: |", ["true"]),
    ("vrrp_instance:\n  - na|", ["name: "]),
    ("vrrp_instance:\n- name: a\n  prior|", ["priority: "]),
    ("virtual_server_group:\n- name: a\n  entries:\n  - fw|", ["fwmark"]),
    ("vrrp_instance :\r\n  'a' :\r\n    virtual_router|\r\n", ["virtual_router_id: "]),
    (BLOCKS + "  track_script:\n    - |", ["chk", "odd one"]),
    (BLOCKS + "  track_script:\n  - ch|", ["chk"]),
    (BLOCKS + "  track_script: [odd, ch|", ["chk"]),
    (BLOCKS + "  track_script:\n    - chk wei|", ["weight"]),
    (BLOCKS + "vrrp_sync_group:\n  g:\n    group: [web, |", ["web", "mail"]),
])
def test_what_may_be_written(text: str, some: list[str]) -> None:
    assert set(some) <= set(complete(text))
    if text.strip("|") and not text.endswith("\n|"):
        assert complete(text) == some


@pytest.mark.parametrize("text", [
    "# glob|", "global_defs: {}  # |", "nonsense:\n  a|", "vrrp_instance: a|", "vrrp_instance:\n  we|",
    "global_defs:\n  rou: |", "vrrp_instance:\n  web:\n    notify: {comm|",
    "vrrp_instance:\n  web:\n    priority:\n      deep:\n        er|",
])
def test_where_nothing_is_offered(text: str) -> None:
    assert complete(text) == []


def test_what_is_offered_is_explained() -> None:
    (found,) = yaml_complete.complete("global_defs:\n  router_i", 1, 10)
    assert (found.label, found.kind) == ("router_id", "keyword")
    assert found.doc.startswith("**router_id** ")


# -------------------------------------------------------------------------------------------------- what stands there


TEXT = dedent("""\
    vrrp_script:
      chk: {script: /bin/true}
    vrrp_instance:
      web:
        interface: eth0
        track_script:
          - chk weight 3
        virtual_ipaddress: [192.0.2.1/24]
      mail: {}
    vrrp_sync_group:
      both:
        group: [web, mail]
    virtual_server_group:
      - name: g
        entries: [192.0.2.5 80]
    virtual_server:
      group g:
        protocol: TCP
    """)


def at(word: str) -> tuple[int, int]:
    """The last place of a word."""
    before = TEXT[: TEXT.rindex(word)]
    return before.count("\n"), len(before) - before.rfind("\n") - 1


@pytest.mark.parametrize(("word", "says", "length"), [
    ("interface", "**interface** IFNAME", 9), ("eth0", "**interface** IFNAME", 4), ("web:", "**vrrp_instance**", 3),
    ("weight 3", "**track_script**", 12), ("192.0.2.1/", "**virtual_ipaddress**", 12),
    ("192.0.2.5", "**virtual_server_group**", 12), ("protocol", "**protocol**", 8),
])
def test_hover(word: str, says: str, length: int) -> None:
    found = yaml_outline.describe(TEXT, *at(word))
    assert found is not None
    assert found.text.startswith(says)
    assert found.end - found.start == length


def test_hover_says_nothing_where_there_is_nothing() -> None:
    assert yaml_outline.describe(TEXT, 3, 0) is None
    assert yaml_outline.describe("nonsense: {a: b}", 0, 2) is None
    assert yaml_outline.describe("a: [", 0, 0) is None
    assert yaml_outline.describe("", 0, 0) is None


@pytest.mark.parametrize(("word", "name", "place"), [
    ("chk weight", "chk", Place(1, 2, 5)), ("web, ", "web", Place(3, 2, 5)), ("mail]", "mail", Place(8, 2, 6)),
])
def test_references(word: str, name: str, place: Place) -> None:
    wanted = yaml_outline.reference(TEXT, *at(word))
    assert wanted is not None
    assert wanted.name == name
    assert yaml_outline.targets(TEXT, wanted) == [place]


def test_names_of_a_list_are_found() -> None:
    assert yaml_outline.targets(TEXT, Reference("g", ("virtual_server_group",))) == [Place(13, 10, 11)]


@pytest.mark.parametrize("word", ["eth0", "weight", "3\n", "interface", "TCP"])
def test_other_words_refer_to_nothing(word: str) -> None:
    assert yaml_outline.reference(TEXT, *at(word)) is None


def test_the_blocks_of_a_text() -> None:
    found = [(" ".join(word.text for word in item.words), item.place.line, item.last[0])
             for item in yaml_outline.outline("global_defs: {router_id: a}\n" + TEXT)]
    assert found == [
        ("global_defs", 0, 0), ("vrrp_script chk", 2, 2), ("vrrp_instance web", 4, 8), ("vrrp_instance mail", 9, 9),
        ("vrrp_sync_group both", 11, 12), ("virtual_server_group g", 14, 15), ("virtual_server group g", 17, 18)]
    assert yaml_outline.outline("a: [") == []
