"""Every code has a page, and every page is true: its example has what it is about, its cure has not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

import pytest

from hakeep.config.diagnostic import Code, Severity
from hakeep.config.files import backend_problem, load, pattern_problem
from hakeep.config.host import Host
from hakeep.config.pages import Page, pages, parse_page
from hakeep.config.rules import RULES
from hakeep.config.settled import Script

PAGES = pages()

ADDRESSES: dict[str, tuple[IPv4Interface | IPv6Interface, ...]] = {
    "eth0": (ip_interface("192.0.2.11/24"), ip_interface("2001:db8::11/64"), ip_interface("fe80::11/64")),
    "eth1": (ip_interface("198.51.100.11/24"),),
}


def script_problem(script: Script) -> str:
    return f"{script.argv[0]}: not there" if script.argv[0].startswith("/opt/missing") else ""


#: The machine that the pages which need one speak of.
HOST = Host(
    known_interfaces=frozenset({"lo", *ADDRESSES}), users=frozenset({"root", "nobody"}),
    groups=frozenset({"root", "nogroup"}), cpus=2, script_problem=script_problem,
    subnets=lambda name: ADDRESSES.get(name, ()), tables=frozenset({"main", "local", "default"}),
    backend_problem=backend_problem, pattern_problem=pattern_problem,
    script_weakness=lambda script: "/tmp can be written by others" if script.argv[0].startswith("/tmp/") else "",
)

#: Codes that nothing but a look at the machine gives.
NEED_HOST = {
    Code.UNKNOWN_INTERFACE, Code.UNKNOWN_USER, Code.SCRIPT, Code.SCRIPT_WRITABLE, Code.VIP_OUTSIDE, Code.SOURCE_ABSENT,
    Code.ROUTE_TABLE, Code.BACKEND_MISSING, Code.CHECK_PATTERN,
}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for five million lines is too much for fewer, and known sooner."""
    monkeypatch.setattr("hakeep.config.reader.LINES_LIMIT", 20_000)


def between_files(code: Code) -> bool:
    """Codes of comparing several files are kept with that comparison (hakeep.vrrp.pair)."""
    return code.name.startswith("PAIR_")


def found(text: str, code: Code, folder: Path) -> list[tuple[str, str]]:
    """Codes and severities that a page's text, in an empty folder, gives."""
    if text.startswith("$ "):
        return shown_by_commands(text, folder)
    (folder / "hakeep.conf").write_text(text + "\n")
    loaded = load("hakeep.conf", config_id="here", environment={}, host=HOST if code in NEED_HOST else None)
    return [(d.code.value, d.severity.value) for d in (*loaded.diagnostics, *loaded.unsupported())]


def shown_by_commands(text: str, folder: Path) -> list[tuple[str, str]]:
    commands = re.sub(r"^\$ ", "", text, flags=re.MULTILINE)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(["/bin/sh", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return [(code, severity) for severity, code in re.findall(r"^(\w+)\[(HK\d+)\]", done.stdout, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", PAGES, ids=lambda code: code.value)
def test_the_example_has_it_and_the_cure_has_not(code: Code, folder: Path) -> None:
    page = PAGES[code]
    assert code.value in [value for value, _ in found(page.example, code, folder)]
    for each in folder.iterdir():
        each.unlink()
    cured = found(page.cure, code, folder)
    assert code.value not in [value for value, _ in cured]
    assert [value for value, severity in cured if severity == Severity.ERROR.value] == []


def test_every_code_has_one_page() -> None:
    assert set(PAGES) == {code for code in Code if not between_files(code)}
    assert list(PAGES) == sorted(PAGES)


def test_there_are_many_rules() -> None:
    assert len(RULES) >= 60


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code.value)
def test_a_page_can_be_read(page: Page) -> None:
    assert len(page.title) <= 80
    assert not page.title.endswith(".")
    assert all(part.endswith((".", ")", ":")) for part in page.why), "sentences"
    text = page.render(80)
    prose = text.partition("\n\nExample:\n\n")[0]
    assert text.startswith(f"{page.code.value}: {page.title}\n\n")
    assert max(len(line) for line in prose.splitlines()) <= 90
    assert "\n\nCure:\n\n" in text


def test_titles_differ() -> None:
    titles = [page.title for page in PAGES.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    "text", ["", "Title\n\nWhy.\n", "Title\n\nWhy.\n\nExample::\n\n    x\n", "Title\n\nExample::\n"])
def test_what_is_no_page(text: str) -> None:
    with pytest.raises(ValueError, match="lacks a part"):
        parse_page(Code.QUOTE, text)
