"""Quick fixes are tried before they are offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from hakeep.cli.language.mending import changes
from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.span import Span

TEXT = "first\n    wrong 3\nlast\n"


def found(path: Path, fix: str) -> Diagnostic:
    return Diagnostic(Code.UNKNOWN_KEYWORD, Severity.ERROR, "wrong", Span(str(path), 2, 5, 5), fix=fix)


def offered(path: Path, fix: str, after: tuple[Diagnostic, ...] = ()) -> list[tuple[str, str]]:
    """Titles, and the texts that they lead to, when a check of those finds `after`."""
    diagnostic = found(path, fix)
    tried = changes(diagnostic, str(path), TEXT, (diagnostic,), lambda text: after)
    return [(change.title, TEXT[: change.start] + change.new + TEXT[change.end :]) for change in tried]


def test_a_word_to_write_and_a_line_to_take_out(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    assert offered(path, "write right") == [("Write right", "first\n    right 3\nlast\n")]
    assert offered(path, "did you mean right?") == [("Write right", "first\n    right 3\nlast\n")]
    assert offered(path, "take it out") == [("Take wrong out", "first\nlast\n")]


@pytest.mark.parametrize("fix", [
    "", "write interface IFNAME", "write web { ... }", "write one, or two", "give it a priority", "write",
])
def test_what_only_a_person_knows(tmp_path: Path, fix: str) -> None:
    assert offered(tmp_path / "hakeep.conf", fix) == []


def test_what_does_not_cure_is_not_offered(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    assert offered(path, "write right", (found(path, ""),)) == []
    worse = tuple(Diagnostic(Code.BAD_NUMBER, Severity.ERROR, text, None) for text in ("one", "two"))
    assert offered(path, "write right", worse) == []
    assert offered(path, "write right", worse[:1]) != [], "one error for another may be a step on the way"
