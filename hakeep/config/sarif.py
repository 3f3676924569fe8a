"""Diagnostics as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format), which code hosts and editors take in.

A rule of a SARIF log is a code with its page; a result is a diagnostic. Columns count characters, as ours do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.pages import Page
from hakeep.config.span import Span

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(
    found: Iterable[tuple[str, Diagnostic]], pages: Mapping[Code, Page], *, version: str
) -> dict[str, Any]:
    """The log of one run, JSON-ready. `found` are diagnostics, each with the main file that it was found through."""
    results = list(found)
    codes = sorted({diagnostic.code for _, diagnostic in results})
    driver = {
        "name": "hakeep", "semanticVersion": version,
        "rules": [_rule(code, pages.get(code)) for code in codes],
    }
    return {
        "$schema": _SCHEMA, "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver}, "columnKind": "unicodeCodePoints",
            "results": [_result(path, diagnostic, codes.index(diagnostic.code)) for path, diagnostic in results],
        }],
    }


def _rule(code: Code, page: Page | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code.value, "name": code.name}
    if page:
        rule |= {
            "shortDescription": {"text": page.title}, "fullDescription": {"text": "\n\n".join(page.why)},
            "help": {"text": page.render()},
        }
    return rule


def _result(path: str, diagnostic: Diagnostic, index: int) -> dict[str, Any]:
    severity = diagnostic.severity
    text = [diagnostic.message, *(part for part in (diagnostic.note, diagnostic.fix) if part)]
    result: dict[str, Any] = {
        "ruleId": diagnostic.code.value, "ruleIndex": index,
        "level": "note" if severity is Severity.NOTE else severity.value,
        "message": {"text": "\n".join(text)},
        "locations": [_location(diagnostic.span or Span(path, 1))],
    }
    if diagnostic.also:
        span, label = diagnostic.also
        result["relatedLocations"] = [_location(span) | {"id": 1, "message": {"text": label}}]
    return result


def _location(span: Span) -> dict[str, Any]:
    from urllib.parse import quote

    region = {"startLine": span.line, "startColumn": span.column}
    if span.length:
        region["endColumn"] = span.column + span.length
    name = span.file.encode("utf-8", "surrogateescape")
    uri = f"file://{quote(name)}" if span.file.startswith("/") else quote(name)
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
