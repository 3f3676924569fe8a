"""Diagnostics as text: the long form with the source line and a caret, one line for editors and logs, JSON lines.

    error[HK202]: virtual_router_id 256 is outside 1..255
      --> /etc/hakeep/hakeep.conf:12:23
       |
    12 |     virtual_router_id 256
       |                       ^^^
       = note: usage: virtual_router_id VRID (1..255)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from hakeep.config.diagnostic import Diagnostic, Severity
from hakeep.config.span import Span

_COLORS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}
_FRAME = "\x1b[1;34m"
_BOLD = "\x1b[1m"
_RESET = "\x1b[0m"
_LONGEST = 160

#: Diagnostics of one file that are shown to people. Nobody reads on, and rendering takes longer than finding.
MOST = 1000


def render(
    diagnostic: Diagnostic, sources: Mapping[str, str], *, color: bool = False, concise: bool = False
) -> str:
    """One diagnostic as text without a final newline. `sources` maps file names to their text (`Loaded.sources`)."""
    if concise:
        return _concise(diagnostic)
    paint = _Paint(color)
    severity = paint(_COLORS[diagnostic.severity], f"{diagnostic.severity.value}[{diagnostic.code.value}]")
    lines = [f"{severity}{paint(_BOLD, ': ' + _safe(diagnostic.message))}"]
    width = max([len(str(s.line)) for s in _spans(diagnostic)], default=1)
    frame = " " * width
    if diagnostic.span:
        lines += _snippet(diagnostic.span, "", "^", sources, paint, width, _COLORS[diagnostic.severity])
    if diagnostic.also:
        span, label = diagnostic.also
        lines += _snippet(span, label, "-", sources, paint, width, _FRAME)
    for via in diagnostic.span.via if diagnostic.span else ():
        lines.append(f"{frame} {paint(_FRAME, '=')} {_safe(via.how)} {_safe(via.file)}:{via.line}")
    for title, text in (("note", diagnostic.note), ("fix", diagnostic.fix)):
        for part in text.splitlines():
            lines.append(f"{frame} {paint(_FRAME, '=')} {paint(_BOLD, title + ':')} {_safe(part)}")
    return "\n".join(lines)


def render_all(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], *, color: bool = False, concise: bool = False,
    most: int = MOST,
) -> Iterator[str]:
    """Each diagnostic as by `render`, but after the first `most` only how many more there are."""
    for diagnostic in diagnostics[:most]:
        yield render(diagnostic, sources, color=color, concise=concise)
    if rest := diagnostics[most:]:
        yield f"and {len(rest)} more: {summary(rest)}"


def render_json(diagnostics: Iterable[Diagnostic], path: str) -> str:
    """One JSON object a line, each ended by a newline. What has no place is about the file `path`: its line 1."""
    import json

    start: dict[str, object] = {"file": path, "line": 1, "column": 1}
    return "".join(json.dumps(start | d.to_plain(), ensure_ascii=True) + "\n" for d in diagnostics)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """ "2 errors, 1 warning", or "no problems found"."""
    counts = dict.fromkeys(Severity, 0)
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
    parts = [f"{n} {severity.value}{'s' if n > 1 else ''}" for severity, n in counts.items() if n]
    return ", ".join(parts) or "no problems found"


def _concise(diagnostic: Diagnostic) -> str:
    place = f"{_safe(str(diagnostic.span))}: " if diagnostic.span else ""
    return f"{place}{diagnostic.severity.value}: {_safe(diagnostic.message)} [{diagnostic.code.value}]"


def _spans(diagnostic: Diagnostic) -> list[Span]:
    spans = [diagnostic.span] if diagnostic.span else []
    return [*spans, diagnostic.also[0]] if diagnostic.also else spans


class _Paint:
    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, color: str, text: str) -> str:
        return f"{color}{text}{_RESET}" if self.on else text


def _snippet(
    span: Span, label: str, mark: str, sources: Mapping[str, str], paint: _Paint, width: int, color: str
) -> list[str]:
    frame = " " * width
    arrow = paint(_FRAME, "-->" if mark == "^" else ":::")
    lines = [f"{frame}{arrow} {_safe(span.file)}:{span.line}:{span.column}" + (f" ({label})" if label else "")]
    source = _source_line(sources.get(span.file, ""), span.line)
    if not source.strip():
        return lines
    start = span.column - 1
    length = span.length
    if not length:
        start = len(source) - len(source.lstrip())
        length = len(source.strip())
    skip = max(0, start - _LONGEST // 2)
    shown = source[skip : skip + _LONGEST]
    start -= skip
    bar = paint(_FRAME, "|")
    before = "".join("\t" if c == "\t" else " " * _columns(c) for c in shown[:start])
    under = mark * max(1, sum(_columns(c) for c in shown[start : start + length]))
    lines.append(f"{frame} {bar}")
    lines.append(f"{paint(_FRAME, str(span.line).rjust(width))} {bar} {_safe(shown).rstrip()}")
    lines.append(f"{frame} {bar} {before}{paint(color, under)}")
    return lines


def _source_line(text: str, number: int) -> str:
    lines = _lines(text)
    return lines[number - 1].rstrip("\r") if number <= len(lines) else ""


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """The lines of a source, kept: there may be as many diagnostics as lines."""
    return text.split("\n")


def _columns(char: str) -> int:
    """How many columns a terminal gives to a character. Most configuration text is ASCII, so ask late."""
    if char.isascii():
        return 1
    import unicodedata

    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _safe(text: str) -> str:
    """Text that cannot move a terminal's cursor or break a line, whatever the file holds."""
    if text.isprintable():
        return text
    return "".join(c if c == "\t" or c.isprintable() else "?" for c in text)
