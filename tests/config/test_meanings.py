"""What is written again is bound once, and nobody can tell by the result."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config import meanings, shape, text
from hakeep.config.bind import Bound, bind
from hakeep.config.files import load
from hakeep.config.keywords.static import ROOT
from hakeep.config.reader import Reader
from hakeep.config.schema import Section
from hakeep.config.shape import Shape, Shapes, shape_of
from hakeep.config.tree import build

LINES = (
    "connect_timeout 3", "warmup 10", "retry 2", "connect_timeout 4", "connect_timeout oops", "delay_loop 0.5 # more",
    "connect_port 80", "connect_port 80 surplus", "alpha", '"retry" 3', "nonsense 1", "connect_timeout", "retry 1 {",
)
CHECK = st.lists(st.sampled_from(LINES[:4]) | st.sampled_from(LINES), max_size=4).map(
    lambda lines: "\n".join(["TCP_CHECK {", *lines, *("}" for line in lines if line.endswith("{")), "}"]))


def read(written: str) -> Bound:
    reader = Reader(lambda pattern, folder: pytest.fail("nothing is included"))
    return bind(build(reader.read("x.conf", "/", written), lambda words: False), ROOT)


def seen(section: Section, line: int) -> list[Any]:
    """All of a section, its lines counted from `line`."""
    places = {field: [(each.span().line - line, each.span(1)[2:4]) for each in lines]
              for field, lines in section.places.items()}
    closing = section.closing()
    inner: list[Any] = []
    for field, value in section.given():
        for each in value if isinstance(value, tuple) else (value,):
            inner.append((field, seen(each, line) if isinstance(each, Section) else each))
    return [section.name, places, closing and closing.line - line, section.refused, inner]


@given(st.lists(CHECK, min_size=1, max_size=3), st.integers(2, 5))
def test_a_block_means_the_same_wherever_it_stands(checks: list[str], times: int) -> None:
    body = "\n".join(["real_server 192.0.2.1 80 {", *checks, "}"])
    height = body.count("\n") + 1
    once = read(f"virtual_server 192.0.2.100 80 {{\n{body}\n}}")
    often = read("virtual_server 192.0.2.100 80 {\n" + f"{body}\n" * times + "}")
    (service,), (services,) = once.root.virtual_server, often.root.virtual_server  # type: ignore[attr-defined]
    first = seen(service.get("real_server")[0], 2)
    for number, server in enumerate(services.get("real_server")):
        assert seen(server, 2 + number * height) == first
    told = [(d.code, d.message, d.span and d.span.line) for d in once.diagnostics]
    expected = [(code, message, line and line + number * height)
                for number in range(times) for code, message, line in told]
    assert [(d.code, d.message, d.span and d.span.line) for d in often.diagnostics] == expected


def test_blocks_of_the_same_text_share_their_values() -> None:
    body = "".join(f"real_server 192.0.2.{n} 80 {{\n TCP_CHECK {{\n  retry 2\n  retry 2\n }}\n}}\n" for n in range(3))
    root, _ = read(f"virtual_server 192.0.2.100 80 {{\n{body}}}")
    checks = [server.get("TCP_CHECK")[0] for server in root.virtual_server[0].get("real_server")]  # type: ignore
    assert len({id(check.values) for check in checks}) == 1
    assert [[line.span().line for line in check.places["retry"]] for check in checks] == [[4, 5], [10, 11], [16, 17]]
    assert list(checks[2].places) == ["retry"] and "warmup" not in checks[2].places and len(checks[2].places) == 1


@pytest.mark.parametrize("most", [1, 2, 7])
def test_what_is_forgotten_is_read_anew(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    written = "virtual_server 192.0.2.100 80 {\n" + "".join(
        f"real_server 192.0.2.{n} 80 {{\nTCP_CHECK {{\nretry {n % 5}\nwarmup 1\n}}\n}}\n" for n in range(20)) + "}"
    whole = read(written).root
    monkeypatch.setattr(meanings, "_REMEMBERED", most)
    monkeypatch.setattr(shape, "_REMEMBERED", most)
    assert read(written).root == whole


# -------------------------------------------------------------------------------------------------- shapes and lines


@pytest.mark.parametrize(("written", "expected"), [
    ("  retry 3 ", Shape("retry 3", 2, "", 0, 7)), ("}", Shape("", 0, "}", 0, 1)), ("\t{", Shape("", 0, "{", 1, 1)),
    (" a b  { ", Shape("a b", 1, "{", 6, 6)), ("", Shape("", 0, "", 0, 0)), ("a {}", None), ("a # b", None),
    ("a \u00e4", None), ("include x", None), ('a "b"', None), ("~SEQ(a,1,2) b", None), ("{ a", None), ("$A=1", None),
])
def test_shapes(written: str, expected: Shape | None) -> None:
    assert shape_of(written) == expected
    shapes = Shapes(100)
    assert shapes[written] == expected
    assert shapes[written] is shapes[written]


def test_no_shape_is_looked_for_in_what_is_too_long() -> None:
    assert Shapes(3)["abc"] is None and Shapes(4)["abc"]


@given(st.text(st.sampled_from("ab\n"), max_size=60), st.integers(1, 9))
def test_lines_of_a_text_are_those_that_it_has(written: str, stretch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_STRETCH", stretch)
        assert list(text.lines_of(written)) == written.split("\n")


# ---------------------------------------------------------------------------------------------------------- garbage


@pytest.fixture
def thawed() -> Iterator[None]:
    frozen = gc.get_freeze_count()
    yield
    if not frozen:
        gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_was_frozen_stays_frozen_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("global_defs { router_id a }\n")
    (tmp_path / "a.conf").chmod(0o644)
    gc.unfreeze()
    load(str(tmp_path / "a.conf"))
    assert gc.isenabled() and not gc.get_freeze_count()
    gc.freeze()
    frozen = gc.get_freeze_count()
    load(str(tmp_path / "a.conf"))
    assert gc.get_freeze_count() >= frozen
