"""What is sent to servers and awaited from them: bytes with escapes, header lines of HTTP, paths into JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from hakeep.config.diagnostic import Code
from hakeep.config.lexer import quoted
from hakeep.config.values.value import Complain, Invalid, Plain, Value
from hakeep.config.values.words import Word, Words

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_SHORT = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}
_LONG = {ord(char): f"\\{name}" for name, char in _SHORT.items()}

#: A token (RFC 9110 section 5.6.2), of which names of headers are made.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Text(Value[bytes]):
    r"""One word as bytes, in UTF-8. \r, \n, \t, \\ and \xNN (any byte, in hexadecimal digits) are escapes."""

    def __init__(self, name: str = '"TEXT"', *, example: str = r"PING\r\n") -> None:
        self.name, self._example = name, example

    def parse(self, words: Sequence[str], complain: Complain) -> bytes:
        word = words[0]
        pieces: list[bytes] = []
        end = 0
        for match in _ESCAPE.finditer(word):
            digits, char = match.groups()
            if not digits and char not in _SHORT:
                raise Invalid(f"'{match.group()}' is no escape", code=Code.BAD_VALUE,
                              note=r"escapes are \r \n \t \\ and \xNN")
            pieces.append(word[end : match.start()].encode("utf-8", "surrogateescape"))
            pieces.append(bytes([int(digits, 16)]) if digits else _SHORT[char].encode())
            end = match.end()
        return b"".join([*pieces, word[end:].encode("utf-8", "surrogateescape")])

    def render(self, value: bytes) -> str:
        return quoted(self.to_plain(value))

    @property
    def synopsis(self) -> str:
        return self.name

    @property
    def example(self) -> str:
        return f'"{self._example}"'

    def to_plain(self, value: bytes) -> str:
        """As it is written, without its quotes. What has a meaning of its own in a file is escaped."""
        text = value.decode("utf-8", "surrogateescape")
        return "".join(map(_written, text))

    def from_plain(self, plain: Plain) -> bytes:
        if not isinstance(plain, str):
            raise Invalid(f"{plain!r} should be a string")
        return self.parse([plain], lambda complaint: None)


def _written(char: str) -> str:
    number = ord(char)
    if number in _LONG:
        return _LONG[number]
    if char in '"$' or not char.isprintable():
        return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    return char


class Header(Words):
    """NAME VALUE of a header of HTTP; with `optional` the value can be left out."""

    def __init__(self, *, optional: bool = False, example: str) -> None:
        super().__init__("NAME [VALUE]" if optional else "NAME VALUE", 1 if optional else 2, 2, example=example)

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, ...]:
        name = words[0]
        if not _TOKEN.fullmatch(name):
            hint = name.removesuffix(":")
            raise Invalid(f"'{name}' is not a name of a header", code=Code.BAD_WORD,
                          fix=f"write {hint}" if hint != name and _TOKEN.fullmatch(hint) else "")
        value = words[1] if len(words) > 1 else ""
        if any(char in value for char in "\r\n\0"):
            raise Invalid("a header is one line", 1)
        return super().parse(words, complain)

    def from_plain(self, plain: Plain) -> tuple[str, ...]:
        words = super().from_plain(plain)
        if not self.needs <= len(words) <= self.most:
            raise Invalid(f"{plain!r} should be {self.synopsis}")
        return self.parse(words, lambda complaint: None)


class JsonPath(Words):
    """PATH VALUE: where to look in a JSON document, as ``.status.nodes[0].name``, and what must be there."""

    _PATH = re.compile(r"(?:\.[^.\[\]\s]+|\[[0-9]{1,9}\])+|\.")

    def __init__(self) -> None:
        super().__init__("PATH VALUE", 2, 2, example=".status.healthy true")

    def parse(self, words: Sequence[str], complain: Complain) -> tuple[str, ...]:
        if not self._PATH.fullmatch(words[0]):
            raise Invalid(f"'{words[0]}' is no path such as .status.nodes[0].name",
                          fix=f"write .{words[0]}" if self._PATH.fullmatch(f".{words[0]}") else "")
        return super().parse(words, complain)

    def from_plain(self, plain: Plain) -> tuple[str, ...]:
        words = super().from_plain(plain)
        if len(words) != 2:
            raise Invalid(f"{plain!r} should be {self.synopsis}")
        return self.parse(words, lambda complaint: None)


class HttpUrl(Word):
    """An address of the web that something can be sent to: http or https, a host, perhaps a port and a path."""

    def __init__(self) -> None:
        super().__init__("URL")

    def parse(self, words: Sequence[str], complain: Complain) -> str:
        url = words[0]
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise Invalid(f"'{url}' is not an address such as https://host.example/path")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise Invalid(f"'{url}' has a character that addresses do not have")
        return super().parse(words, complain)

    @property
    def example(self) -> str:
        return "https://alerts.example.org/hakeep"

    def from_plain(self, plain: Plain) -> str:
        return self.parse([super().from_plain(plain)], lambda complaint: None)
