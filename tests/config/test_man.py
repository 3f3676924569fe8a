"""The manual, read off the schema: whole, well-formed, and the committed pages are what the schema says now."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hakeep.cli import manual
from hakeep.config.advice import walk
from hakeep.config.forms import man, overview
from hakeep.config.forms.page import Code, Item, Page, Para, Section, chapter, mdoc, plain, plain_elements
from hakeep.config.keywords.static import ROOT
from hakeep.config.schema import Block, Entries, Repeat, Support

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = manual.pages()


@pytest.mark.parametrize("name", PAGES)
def test_committed_pages_are_fresh(name: str) -> None:
    """If this fails: python -m hakeep.cli.manual --write conf"""
    assert (REPOSITORY / "conf" / name).read_text() == PAGES[name]


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_lint_clean(name: str, tmp_path: Path) -> None:
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    (tmp_path / name).write_text(PAGES[name])
    found = subprocess.run([mandoc, "-Tlint", name], cwd=tmp_path, capture_output=True, text=True)
    about_other_pages = re.compile(r"Xr not found|not found: Xr|outdated mandoc\.db")  # they may not be installed here
    complaints = [line for line in (found.stdout + found.stderr).splitlines() if not about_other_pages.search(line)]
    assert complaints == []


def items(page: Page) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for element in page.body:
        if isinstance(element, Item):
            found.setdefault(element.term, []).append(element)
    return found


def test_every_keyword_is_in_the_page() -> None:
    text = plain(man.conf_page())
    known = items(man.conf_page())
    for path, keyword in walk(ROOT):
        if keyword.preferred:
            assert keyword.name in text
        elif isinstance(keyword.value, Block):
            assert keyword.example in "".join(part.text for part in man.conf_page().body if isinstance(part, Code))
        else:
            assert keyword.name in known, (path, keyword.name)


def test_an_entry_says_it_all() -> None:
    (item,) = items(man.conf_page())["timer_expired_backup"]
    text = " ".join(part.text for part in item.body)
    assert item.rest == "[PRIO (1..254)]"
    for fact in ("Default: off", "Since keepalived 2.4", "Reload: at once", "timer_expired_backup 100",
                 "Old spelling: `thread_timer_expired`"):
        assert fact in text
    (item,) = items(man.conf_page())["virtual_router_id"]
    text = " ".join(part.text for part in item.body)
    assert "Required." in text
    assert "by a new start of the instance" in text
    for item in items(man.conf_page())["vip_fence"]:
        assert "Known to hakeep only" in " ".join(part.text for part in item.body)


def test_an_entry_says_what_becomes_of_a_second_one() -> None:
    """The page says that a keyword given again replaces the first; so must every entry where it is otherwise."""
    known = items(man.conf_page())
    for path, keyword in walk(ROOT):
        if keyword.repeat is Repeat.LAST or isinstance(keyword.value, Block | Entries) or keyword.preferred:
            continue
        texts = [" ".join(part.text for part in item.body) for item in known[keyword.name]]
        assert any(f"Given again, {keyword.repeat.value}." in text for text in texts), (path, keyword.name)


def test_no_entry_tells_of_workers_that_there_are_not() -> None:
    assert "worker lvs" not in plain(man.conf_page())
    assert "worker bfd" not in plain(man.conf_page())


def test_what_is_acted_on_is_not_said_to_be_left_out() -> None:
    for term in ("persistence_timeout", "uthreshold", "neighbor_ip", "min_rx", "multiplier"):
        for item in items(man.conf_page())[term]:
            assert "Not acted on" not in " ".join(part.text for part in item.body)


def test_the_daemon_does_not_read_the_manual() -> None:
    ask = ("import sys, hakeep.cli.hakeepd, hakeep.supervisor, hakeep.config.files; "
           "sys.exit(any(name.startswith(('hakeep.config.prose', 'hakeep.config.forms.man')) for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", ask], cwd=REPOSITORY).returncode == 0


def test_shared_keywords_of_checks_are_explained_once() -> None:
    assert len(items(man.conf_page())["connect_port"]) == 1
    assert len(items(man.conf_page())["path"]) == 1


def test_examples_in_the_page_can_be_read(load: Any) -> None:
    """The smallest pair, and each example of a whole vrrp_instance in the chapters."""
    codes = [part.text for part in man.conf_page().body if isinstance(part, Code) and "vrrp_instance" in part.text]
    assert len(codes) >= 3
    for text in codes:
        if text.lstrip("$").startswith(("vrrp_instance", "SITE")):
            loaded = load(text)
            assert loaded.diagnostics == ()
            assert not loaded.fatal
            assert str(loaded.settings.vrrp[0].addresses[0].address.ip) == "192.0.2.10"


def test_find_tells_all_meanings_of_a_word() -> None:
    found = list(man.find("weight"))
    assert {section.title for section in found if isinstance(section, Section)} >= {
        "in vrrp_script", "in bfd_instance", "in real_server", "in FILE_CHECK"}
    assert "in track_file" in [section.title for section in man.find("init_file") if isinstance(section, Section)]
    assert list(man.find("no_such_word")) == []
    (first, *_) = man.find("vrrp_rlimit_rtime")
    assert first == Para("vrrp_rlimit_rtime is the old spelling of `vrrp_rlimit_rttime`.")
    names = [item.term for item in man.find("vrrp_script") if isinstance(item, Item)]
    assert names[:3] == ["vrrp_script", "script", "interval"]


def test_search_looks_at_names_and_explanations() -> None:
    names = [keyword.name for _, keyword in man.search("persist")]
    assert names[:3] == ["persistence_engine", "persistence_timeout", "persistence_granularity"]
    assert "lvs_timeouts" in [keyword.name for _, keyword in man.search("idle connection")]
    assert man.search("no such text anywhere") == []


# --------------------------------------------------------------------------------------------- pages as text


def test_chapters() -> None:
    assert list(chapter("One\ntwo.\n\n    code\n\n    more\n\nThree.\n")) == [
        Para("One two."), Code("code\n\nmore"), Para("Three.")]


AWKWARD = Page("x", 5, "y", ("x [-a]",), (
    Section("ONE"), Para(".dot starts this. 'quote and \\ back"), Code(".a\n'b \\n"), Code('An "x" | No'),
    Item("key", 'A "b" \\', (Para("text with `word`."), Code("one"))), Para("end"),
))


def test_mdoc_shows_what_was_written(tmp_path: Path) -> None:
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    (tmp_path / "x.5").write_text(mdoc(AWKWARD, "November 21, 2026"))
    shown = subprocess.run([mandoc, "-Tascii", "-O", "width=120", "x.5"], cwd=tmp_path, capture_output=True, text=True)
    text = re.sub(".\b", "", shown.stdout)
    for words in (".dot starts this.", "'quote and \\ back", ".a\n", "'b \\n", 'An "x" | No', 'key A "b" \\', "word"):
        assert words in text


def test_plain_text_keeps_to_the_width() -> None:
    text = plain_elements([Para("word " * 50), Code("as\n  it is")], 60)
    assert max(map(len, text.splitlines())) <= 60
    assert "        as\n          it is\n" in text
    assert plain(AWKWARD).startswith("X(5)")


# ------------------------------------------------------------------------------------------------- the overview


def test_what_is_not_acted_on_is_what_the_schema_marks() -> None:
    names = {(row.path, row.keyword.name) for row in overview.not_acted_on()}
    marked = {(path, keyword.name) for path, keyword in walk(ROOT)
              if keyword.support is not Support.FULL and not keyword.preferred}
    assert names <= marked
    inside = {(path, name) for path, name in marked - names}
    assert all(any(f"{path}/".startswith(f"{above}/{block}/") for above, block in names) for path, name in inside)
    assert ("/global_defs", "snmp_socket") in names
    assert ("", "bfd_instance") not in names


def test_rows_of_a_block() -> None:
    assert {row.keyword.name for row in overview.rows("garp_group")} == {
        "garp_interval", "gna_interval", "interface", "interfaces"}
    assert overview.rows("nonsense") == []
    every = overview.rows()
    assert len({(row.path, row.keyword.name) for row in every}) == len(every)
    assert all(not row.path.startswith("/vrrp_track_file") for row in every)


def test_the_readme_s_table_is_fresh() -> None:
    """If this fails: put the output of `hakeep keywords --unsupported --markdown` between the marks."""
    readme = (REPOSITORY / "README.md").read_text()
    _, begin, rest = readme.partition("<!-- unsupported: made by `hakeep keywords --unsupported --markdown` -->\n")
    table, end, _ = rest.partition("<!-- unsupported: end -->")
    assert begin
    assert end
    assert table == overview.markdown()
