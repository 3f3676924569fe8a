"""The canonical layout of a configuration, made of its text as it was written.

Nothing is expanded: includes, definitions, conditions and sequences stay, and so does every comment. What changes is
what has no meaning: indentation (four blanks a block), blanks between words (one), where braces stand (`{` after the
words it belongs to, `}` alone), runs of blank lines (one at most, none at the edges of a block) and line ends. Behind
what it is about, a comment stands after two blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hakeep.config.diagnostic import Diagnostic
from hakeep.config.forms.depths import complaints, measure
from hakeep.config.forms.pieces import Piece, take_apart
from hakeep.config.reader import LINE_LIMIT

INDENT = "    "


class Unbalanced(ValueError):
    """The braces do not balance, so nobody can say what belongs to which block."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        super().__init__("the braces do not balance")
        self.diagnostics = tuple(diagnostics)


def layout(text: str, name: str = "-") -> str:
    """`text` in canonical layout; what it means stays the same. `name` is the file's, for diagnostics.

    Raises `Unbalanced`.
    """
    text = text.removeprefix("\ufeff")
    pieces = _joined(take_apart(text))
    best = measure(pieces)
    if best.faults:
        raise Unbalanced(complaints(best, name, text.split("\n")))
    open_ended = not text.endswith("\n") and any(piece.unfinished for piece in pieces[-1:])
    written = "\n".join(_write(pieces))
    return written + "\n" if written and not open_ended else written


def _joined(pieces: list[Piece]) -> list[Piece]:
    """A brace that stands alone goes to the words before it; comments between them go into the block."""
    result: list[Piece] = []
    head: int | None = None  # where the last piece with words is
    for piece in pieces:
        alone = piece.text.rpartition(" ")[2] == "{" and piece.text.startswith(("{", "@")) and not piece.wild
        before = result[head] if head is not None else None
        if alone and before and before.joins and before.conditions == piece.conditions and (
            piece.bare == "{" and len(before.text.encode("utf-8", "surrogateescape")) < LINE_LIMIT // 2
        ):
            before.text += " {"
            before.uses += piece.uses
            result[head + 1 :] = [each for each in result[head + 1 :] if not each.blank]  # type: ignore[operator]
            if piece.comment:
                result.append(Piece(piece.number, comment=piece.comment))
            continue
        result.append(piece)
        if piece.text:
            head = len(result) - 1
    return result


def _write(pieces: list[Piece]) -> Iterator[str]:
    gap = begun = after_brace = False
    for piece in pieces:
        if piece.blank:
            if piece.body:  # it ends a definition
                yield ""
                gap, after_brace = False, True
            else:
                gap = True
            continue
        closes = not piece.wild and piece.bare == "}"
        if gap and begun and not after_brace and not closes:
            yield ""
        yield _line(piece)
        gap, begun = False, True
        after_brace = piece.text.endswith("{") and not piece.unfinished


def _line(piece: Piece) -> str:
    if piece.verbatim:
        return piece.text
    line = "  ".join(filter(None, (piece.text, piece.comment)))
    indented = INDENT * piece.depth + line
    return indented if len(indented.encode("utf-8", "surrogateescape")) < LINE_LIMIT else line
