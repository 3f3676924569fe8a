"""The forms that a configuration, or the language itself, can take. Here: which of the two a text is written in."""

from __future__ import annotations

import re

_YAML_NAME = re.compile(r"\.ya?ml\Z", re.IGNORECASE)
#: The first line that says something, if it is YAML's: a document mark, a directive, a key with its colon.
_YAML_BEGINNING = re.compile(
    r"""(?:[ \t\r]*(?:\#[^\n]*)?\n)*+(?:---(?:\s|\Z)|%YAML[ ]|[\w"']+[ \t]*:(?:[ \t\r\n]|\Z)|\{[ \t\r\n]*["}])""")


def is_yaml(name: str, text: str) -> bool:
    """Whether a file is YAML: by its suffix, else by how it begins. ``key:`` begins no line of the classic form."""
    return bool(_YAML_NAME.search(name) or _YAML_BEGINNING.match(text.removeprefix("\ufeff")))
