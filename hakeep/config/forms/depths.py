"""How deep each piece of a configuration stands, found by following the braces as a reader would meet them.

Lines with @ID count for some configuration ids only, so each id that a file names is followed for itself, and one that
it does not name. Definitions are followed where they are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.forms.pieces import INCLUDE, Piece
from hakeep.config.lexer import BLANKS, cut_at_brace, without_comment
from hakeep.config.span import Span

#: More configuration ids than this in one file are not followed one by one.
_IDS = 64
#: Nor are definitions that open more blocks than this, which definitions of definitions could do.
_BLOCKS = 1000


@dataclass(slots=True)
class Walk:
    """The braces as a reader with one configuration id meets them."""

    depths: list[int | None] = field(default_factory=list)
    open: list[Piece] = field(default_factory=list)
    extra: list[Piece] = field(default_factory=list)
    deltas: dict[str, int] = field(default_factory=dict)

    @property
    def faults(self) -> int:
        return len(self.open) + len(self.extra)


def measure(pieces: list[Piece]) -> Walk:
    """Set the depth of each piece. Returns the walk with the fewest faults."""
    mentioned = dict.fromkeys(wanted for piece in pieces for _, wanted in piece.conditions)
    walks = [_walk(pieces, wanted) for wanted in ["", *mentioned][:_IDS]]
    walks.sort(key=lambda walk: walk.faults)
    for index, piece in enumerate(pieces):
        piece.depth = next((depth for walk in walks if (depth := walk.depths[index]) is not None), 0)
    return walks[0]


def _walk(pieces: list[Piece], config_id: str) -> Walk:
    walk = Walk()
    defining = ""  # the definition that is open, and the depth within it
    inner = 0
    for piece in pieces:
        if not all((wanted == config_id) != negated for negated, wanted in piece.conditions):
            walk.depths.append(None)
            continue
        leading, net, lowest = _braces(piece, walk.deltas)
        if piece.defines or piece.body:
            if piece.defines:
                defining, inner = piece.defines, 0
            outside = len(walk.open)
            walk.depths.append(outside + (max(0, inner - leading) + 1 if piece.body and not piece.blank else 0))
            inner += net
            walk.deltas[defining] = inner
            continue
        walk.depths.append(max(0, len(walk.open) - leading))
        for _ in range(-lowest):
            if walk.open:
                walk.open.pop()
            else:
                walk.extra.append(piece)
        walk.open += [piece] * (net - lowest)
    return walk


def _braces(piece: Piece, deltas: dict[str, int]) -> tuple[int, int, int]:
    """Closing braces at its head, braces opened less those closed, and the lowest that this comes to on the way."""
    if piece.verbatim or piece.blank:
        return 0, 0, 0
    rest = piece.bare
    if piece.defines and not piece.body:
        rest = rest.partition("=")[2]
    rest = without_comment(rest)
    leading = net = lowest = 0
    while rest and not INCLUDE.match(rest):
        before, brace, rest, _ = cut_at_brace(rest)
        net += (brace == "{") - (brace == "}")
        lowest = min(lowest, net)
        if brace == "}" and not before.strip(BLANKS) and leading == -net - 1:
            leading += 1
        rest = rest.lstrip(BLANKS)
    for name in piece.uses:
        net = min(max(net + deltas.get(name, 0), -_BLOCKS), _BLOCKS)
        lowest = min(lowest, net)
    return leading, net, lowest


def complaints(walk: Walk, name: str, lines: list[str]) -> Iterator[Diagnostic]:
    def brace(sign: str, number: int) -> Span:
        return Span(name, number, lines[number - 1].find(sign) + 1, 1)

    for piece in walk.extra[:1]:
        yield Diagnostic(Code.EXTRA_BRACE, Severity.ERROR, "'}' closes nothing", brace("}", piece.number),
                         verdict=Verdict.BRACES)
    for piece in walk.open:
        head = piece.bare.split(" ")
        yield Diagnostic(
            Code.UNCLOSED_BLOCK, Severity.ERROR, f"'{{' of {head[0]} is never closed", brace("{", piece.number),
            verdict=Verdict.BRACES)
