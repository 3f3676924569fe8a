"""The server itself: what the editor asks, and what it is told.

Documents come whole with every change: they are small, and so nobody has to agree on what a line is. Checking is done
in a thread, one check at a time, a moment after the last key; what is asked in between is answered from the text alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from hakeep import __version__
from hakeep.cli.hakeep_explain import all_pages
from hakeep.cli.language.checking import Checked, Checking
from hakeep.cli.language.form import form_of
from hakeep.cli.language.mending import changes
from hakeep.cli.language.positions import Positions, whole
from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.files import open_files
from hakeep.config.forms import is_yaml
from hakeep.config.forms.layout import Unbalanced, layout
from hakeep.config.forms.outline import Item, Place, Reference
from hakeep.config.reader import LINE_LIMIT
from hakeep.config.span import Span

#: Seconds without a change before a document is checked.
PAUSE = 0.3

SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error, Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}
TAGS = {Code.DEPRECATED: [types.DiagnosticTag.Deprecated], Code.UNUSED: [types.DiagnosticTag.Unnecessary]}
KINDS = {
    "keyword": types.CompletionItemKind.Keyword, "block": types.CompletionItemKind.Module,
    "value": types.CompletionItemKind.Value, "name": types.CompletionItemKind.Reference,
    "definition": types.CompletionItemKind.Variable,
}

log = logging.getLogger(__name__)


class Language:
    """The documents that are open, and what is known about them."""

    def __init__(self, server: LanguageServer, checking: Checking) -> None:
        self._server = server
        self._checking = checking
        self._one_at_a_time = asyncio.Lock()
        self._pending: dict[str, asyncio.Task[None]] = {}
        self._uris: dict[str, str] = {}
        self._checked: dict[str, Checked] = {}
        self._published: set[str] = set()
        self._versions: dict[str, int | None] = {}  # of the documents that were checked last

    # ------------------------------------------------------------------------------------------------- documents

    @property
    def _documents(self) -> dict[str, str]:
        """Texts of open documents, by their real paths."""
        documents = self._server.workspace.text_documents
        return {path: whole(documents[uri].source) for path, uri in self._uris.items() if uri in documents}

    def text(self, uri: str) -> str:
        """A document's text; "" if it is not open."""
        return self._documents.get(real_path(uri), "")

    def readable(self, uri: str) -> str:
        """A document's text without the lines that reading drops, because they are too long for a line."""
        return "\n".join("" if len(line) >= LINE_LIMIT else line for line in self.text(uri).split("\n"))

    def positions(self, text: str) -> Positions:
        """Places of a text, as this editor counts."""
        return Positions(text, self._server.workspace.position_encoding or types.PositionEncodingKind.Utf16)

    def opened(self, uri: str) -> None:
        """A document is open: check it now."""
        self._uris[real_path(uri)] = uri
        self.check_soon(uri, 0.0)

    def saved(self, uri: str) -> None:
        """What is on the disk has changed: other files may belong together now."""
        self._checking.forget(real_path(uri))
        self.check_soon(uri, 0.0)

    def closed(self, uri: str) -> None:
        """A document is closed: nobody wants to hear of it."""
        path = real_path(uri)
        self._uris.pop(path, None)
        self._published.add(path)
        if task := self._pending.pop(path, None):
            task.cancel()
        gone = {main for main, found in self._checked.items()
                if not any(each in found.sources or each == main for each in self._uris)}
        files = {path}.union(*(self._checked.pop(main).sources for main in gone))
        self._publish({*files, *gone})

    # ------------------------------------------------------------------------------------------------- checking

    def check_soon(self, uri: str, pause: float = PAUSE) -> None:
        """Check a document after a pause, unless something else happens to it meanwhile."""
        path = real_path(uri)
        if task := self._pending.pop(path, None):
            task.cancel()
        self._pending[path] = asyncio.create_task(self._check(path, pause))

    async def _check(self, path: str, pause: float) -> None:
        await asyncio.sleep(pause)
        try:
            async with self._one_at_a_time:
                texts, versions = self._documents, self._current_versions()
                checked = await asyncio.to_thread(self._checking.check, path, texts)
        except Exception:  # whatever a document does to us: the next one is to be served
            log.exception("%s could not be checked", path)
            return
        if path not in self._uris:
            return
        before = [self._checked.pop(main) for main in {path, checked.main} if main in self._checked]
        self._checked[checked.main] = checked
        self._versions.update((name, versions.get(name)) for name in (*checked.sources, path))
        self._publish({path, checked.main, *checked.sources}.union(*(each.sources for each in before)))

    def _current_versions(self) -> dict[str, int | None]:
        documents = self._server.workspace.text_documents
        return {path: documents[uri].version for path, uri in self._uris.items() if uri in documents}

    def _publish(self, files: set[str]) -> None:
        """Tell what is wrong in these files, and of those of which it was told before that nothing is any more."""
        found: dict[str, list[types.Diagnostic]] = {}
        texts: dict[str, Positions] = {}
        for checked in self._checked.values():
            for diagnostic in checked.diagnostics:
                path = os.path.realpath(diagnostic.span.file) if diagnostic.span else checked.main
                if path in files:
                    told = self._told(diagnostic, checked, texts)
                    into = found.setdefault(path, [])
                    if told not in into:
                        into.append(told)
        for path in files:
            if path in found or path in self._published or path in self._uris:
                self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(
                    self._uri(path), found.get(path, []), self._versions.get(path) if path in self._uris else None))
        self._published = (self._published - files) | found.keys()

    def _uri(self, path: str) -> str:
        return self._uris.get(path) or from_fs_path(path) or path

    def _location(self, span: Span, checked: Checked, texts: dict[str, Positions]) -> types.Location:
        path = os.path.realpath(span.file)
        text = checked.sources.get(path, "")
        positions = texts.get(path) or texts.setdefault(path, self.positions(text))
        start, length = span.column - 1, span.length
        if not length:
            line = text.split("\n", span.line)[span.line - 1 : span.line]
            length = len(line[0].rstrip()) - start if line else 0
        return types.Location(self._uri(path), positions.range(span.line - 1, start, start + max(length, 1)))

    def _told(self, diagnostic: Diagnostic, checked: Checked, texts: dict[str, Positions]) -> types.Diagnostic:
        """A diagnostic, as the protocol has it."""
        parts = [diagnostic.message, *(f"note: {each}" for each in diagnostic.note.splitlines()),
                 *(f"fix: {each}" for each in diagnostic.fix.splitlines())]
        related = []
        if diagnostic.also:
            span, label = diagnostic.also
            related.append(types.DiagnosticRelatedInformation(self._location(span, checked, texts), label))
        for via in diagnostic.span.via if diagnostic.span else ():
            place = self._location(Span(via.file, via.line), checked, texts)
            related.append(types.DiagnosticRelatedInformation(place, f"{via.how} here"))
        span = diagnostic.span or Span(checked.main, 1)
        return types.Diagnostic(
            self._location(span, checked, texts).range, "\n".join(parts), SEVERITIES[diagnostic.severity],
            diagnostic.code.value, source="hakeep", tags=TAGS.get(diagnostic.code), related_information=related or None)

    def _here(self, path: str) -> Iterator[tuple[Checked, Diagnostic, types.Range]]:
        """The diagnostics that stand in a file, by the last check."""
        texts: dict[str, Positions] = {}
        for checked in self._checked.values():
            for diagnostic in checked.diagnostics:
                if diagnostic.span and os.path.realpath(diagnostic.span.file) == path:
                    yield checked, diagnostic, self._location(diagnostic.span, checked, texts).range

    # ------------------------------------------------------------------------------------------------- typing

    def completion(self, uri: str, position: types.Position) -> list[types.CompletionItem]:
        """What may stand here."""
        text = self.readable(uri)
        positions = self.positions(text)
        line, column = positions.place(position)
        form = form_of(real_path(uri), text)
        before = text.split("\n")[line][:column]
        typed = form.typed.search(before)
        replaced = positions.range(line, typed.start() if typed else column, column)
        return [
            types.CompletionItem(
                found.label, kind=KINDS.get(found.kind), filter_text=found.insert, sort_text=f"{number:05}",
                text_edit=types.TextEdit(replaced, found.insert),
                documentation=types.MarkupContent(types.MarkupKind.Markdown, found.doc) if found.doc else None)
            for number, found in enumerate(form.complete(text, line, column))
        ]

    def hover(self, uri: str, position: types.Position) -> types.Hover | None:
        """What the word here means, and why it is complained about."""
        path, text = real_path(uri), self.readable(uri)
        positions = self.positions(text)
        line, column = positions.place(position)
        found = form_of(path, text).describe(text, line, column)
        parts = [found.text] if found else []
        place = positions.range(found.line, found.start, found.end) if found else None
        pages = all_pages()
        for _, diagnostic, where in self._here(path):
            if where.start <= position <= where.end and (page := pages.get(diagnostic.code)):
                place = place or where
                parts.append("\n\n".join([f"**{page.code.value}**: {page.title}", *page.why]))
        if not parts:
            return None
        unique = "\n\n---\n\n".join(dict.fromkeys(parts))
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, unique), place)

    def definition(self, uri: str, position: types.Position) -> list[types.Location]:
        """Where the word here is defined."""
        path, text = real_path(uri), self.readable(uri)
        wanted = form_of(path, text).reference(text, *self.positions(text).place(position))
        if wanted is None:
            return []
        if wanted.kinds == ("include",):
            files = open_files(wanted.name, os.path.dirname(path), unsaved=self._documents).files  # noqa: PTH120
            start = types.Range(types.Position(0, 0), types.Position(0, 0))
            return [types.Location(self._uri(os.path.realpath(name)), start) for name, _, _ in files]
        return list(self._defined(wanted, path, text))

    def _defined(self, wanted: Reference, path: str, text: str) -> Iterator[types.Location]:
        """In the document, else in those that it belongs to."""
        texts: Mapping[str, str] = {path: text}
        if not form_of(path, text).targets(text, wanted):
            texts = {name: source for checked in self._checked.values() if path in checked.sources
                     for name, source in checked.sources.items()} | self._documents
        for name, source in texts.items():
            positions = self.positions(source)
            for place in form_of(name, source).targets(source, wanted):
                yield types.Location(self._uri(name), positions.range(*place))

    def symbols(self, uri: str) -> list[types.DocumentSymbol]:
        """The blocks of a document."""
        text = self.readable(uri)
        positions = self.positions(text)
        blocks = form_of(real_path(uri), text).outline(text)
        return [_symbol(item, positions) for item in blocks if item.block or item.defines]

    def formatting(self, uri: str) -> list[types.TextEdit]:
        """What brings a document into its canonical layout. Nothing can be said while its braces do not balance, nor of
        YAML, whose layout is its own affair."""
        text = self.text(uri)
        if is_yaml(real_path(uri), text):
            return []
        try:
            formatted = layout(text, real_path(uri))
        except Unbalanced:
            return []
        return [types.TextEdit(self.positions(text).all(), formatted)] if formatted != text else []

    async def actions(self, uri: str, where: types.Range) -> list[types.CodeAction]:
        """What may be put right by itself in that range."""
        path, text = real_path(uri), self.text(uri)
        documents, positions = self._documents, self.positions(text)
        texts: dict[str, Positions] = {}

        def find() -> Iterator[types.CodeAction]:
            for checked, diagnostic, place in list(self._here(path)):
                if place.end < where.start or where.end < place.start or checked.sources.get(path) != text:
                    continue

                def check(new: str) -> tuple[Diagnostic, ...]:
                    return self._checking.check(path, {**documents, path: new}).diagnostics

                for change in changes(diagnostic, path, text, checked.diagnostics, check):
                    edit = types.TextEdit(positions.between(change.start, change.end), change.new)
                    yield types.CodeAction(
                        change.title, types.CodeActionKind.QuickFix, [self._told(diagnostic, checked, texts)],
                        is_preferred=True, edit=types.WorkspaceEdit({uri: [edit]}))

        async with self._one_at_a_time:
            return await asyncio.to_thread(lambda: list(find()))


def real_path(uri: str) -> str:
    """The path that a document has, or would have if it were saved here."""
    parts = urlsplit(uri)
    path = to_fs_path(uri) if parts.scheme == "file" else None
    return os.path.realpath(path or unquote(parts.path or uri).replace("/", "_") or "untitled")


def _symbol(item: Item, positions: Positions) -> types.DocumentSymbol:
    if item.defines:
        place, name, kind = item.place, f"${item.defines}", types.SymbolKind.Variable
    else:
        first = item.words[0] if item.words else None
        place = item.place_of(first) if first else item.place
        name = " ".join(word.text for word in item.words) or "{ }"
        kind = types.SymbolKind.Class if len(item.words) > 1 else types.SymbolKind.Namespace
    selected = positions.range(*Place(place.line, place.start, place.end))
    return types.DocumentSymbol(
        name, kind, types.Range(selected.start, max(positions.position(*item.last), selected.end)), selected,
        children=[_symbol(child, positions) for child in item.children if child.block])


def serve(checking: Checking) -> None:
    """Speak on standard input and output until the editor says goodbye."""
    server = LanguageServer("hakeep", __version__, types.TextDocumentSyncKind.Full)
    language = Language(server, checking)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        language.opened(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        language.check_soon(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: types.DidSaveTextDocumentParams) -> None:
        language.saved(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        language.closed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["$", "{"]))
    def completion(params: types.CompletionParams) -> types.CompletionList:
        return types.CompletionList(False, language.completion(params.text_document.uri, params.position))

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        return language.hover(params.text_document.uri, params.position)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: types.DefinitionParams) -> list[types.Location]:
        return language.definition(params.text_document.uri, params.position)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return language.symbols(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        return language.formatting(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    async def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return await language.actions(params.text_document.uri, params.range)

    # Our own standard output becomes the error stream: nothing that anybody prints gets between two messages.
    spoken = os.dup(1)
    os.dup2(2, 1)
    server.start_io(os.fdopen(os.dup(0), "rb"), os.fdopen(spoken, "wb"))
