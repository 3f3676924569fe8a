"""What makes a page good: its status, its headers, its digest, what stands in it.

The body is not kept unless somebody must see it whole; a digest is computed as it comes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hakeep.config.settled_lvs import Page
from hakeep.lvs.checkers import pattern
from hakeep.lvs.checkers.attempt import Failure
from hakeep.lvs.checkers.stream import shown

Headers = Sequence[tuple[bytes, bytes]]

#: The longest body that is taken for JSON, in bytes: to parse it stops everything else (10 ms for this much).
LONGEST_JSON = 1 << 20

NOTHING = object()


class Body:
    """What comes of a reply, at most `most` bytes of it."""

    __slots__ = ("_digest", "_kept", "_most", "size")

    def __init__(self, most: int, *, keep: bool, digest: bool) -> None:
        self._most = most
        self._kept = bytearray() if keep else None
        self._digest = hashlib.md5(usedforsecurity=False) if digest else None
        self.size = 0

    def add(self, data: bytes) -> None:
        """Raises Failure when it is too much."""
        self.size += len(data)
        if self.size > self._most:
            raise Failure(f"the page is longer than {self._most} bytes (body_max)")
        if self._digest is not None:
            self._digest.update(data)
        if self._kept is not None:
            self._kept += data

    @property
    def kept(self) -> bytes:
        """The body, if it is kept."""
        return bytes(self._kept or b"")

    @property
    def digest(self) -> str:
        """Its MD5 in hexadecimal digits, if it was asked for."""
        return self._digest.hexdigest() if self._digest is not None else ""


def empty_body(page: Page, most: int) -> Body:
    """One that collects what this page's judgement needs."""
    return Body(most, keep=page.pattern is not None or bool(page.json_path), digest=bool(page.digest))


@dataclass(slots=True)
class Reply:
    """An answer. Names of headers are in lower case. `remark`: something odd that is no failure."""

    status: int
    headers: Headers
    body: Body
    remark: str = ""

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next(iter(self.all_headers(name)), None)

    def all_headers(self, name: str) -> list[str]:
        """All headers of this name."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]


async def judge(page: Page, reply: Reply) -> None:
    """Raise Failure, with the first reason that there is."""
    if not any(low <= reply.status <= high for low, high in page.statuses):
        raise Failure(f"status {reply.status}, not {_ranges(page.statuses)}")
    for name, value in page.expected_headers:
        _judge_header(reply.all_headers(name), name, value)
    if page.digest and reply.body.digest != page.digest.lower():
        raise Failure(f"digest {reply.body.digest}, not {page.digest.lower()}")
    if page.pattern is not None:
        await pattern.judge(page.pattern, reply.body.kept)
    if page.json_path:
        _judge_json(page, reply.body.kept)


def _judge_header(there: list[str], name: str, value: str) -> None:
    if not there:
        raise Failure(f"there is no header {name}")
    if value and value not in (text.strip() for text in there):
        raise Failure(f"the header {name} says {shown(there[0].encode())}, not {value!r}")


def _ranges(ranges: Iterable[tuple[int, int]]) -> str:
    return " ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in ranges)


def _judge_json(page: Page, body: bytes) -> None:
    if len(body) > LONGEST_JSON:
        raise Failure(f"{len(body)} bytes are too much to be examined as JSON (at most {LONGEST_JSON})")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Failure(f"the page is not JSON: {shown(body, 30)}") from None
    found = at_path(document, page.json_path)
    if found is NOTHING:
        raise Failure(f"there is no {page.json_path}")
    text = as_text(found)
    if page.json_value and text != page.json_value:
        raise Failure(f"{page.json_path} is {shown(text.encode(errors='replace'), 30)}, not {page.json_value!r}")


def at_path(document: Any, path: str) -> Any:
    """What stands at a path such as ``.nodes[0].state`` or ``$.nodes.0.state``; NOTHING when there is nothing."""
    for word in path.removeprefix("$").replace("[", ".").replace("]", "").split("."):
        if not word:
            continue
        if isinstance(document, dict) and word in document:
            document = document[word]
        elif isinstance(document, list) and word.isascii() and word.isdecimal() and len(word) < 10 and (
                int(word) < len(document)):
            document = document[int(word)]
        else:
            return NOTHING
    return document


def as_text(value: Any) -> str:
    """A value as `json_value` writes it: text bare, everything else as in JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "something"
