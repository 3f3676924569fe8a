"""The language as a JSON Schema (2020-12) of its YAML form, so that editors complete, explain and check.

It is made of the same declarations that bind a configuration. It says what a value looks like: types, ranges, words to
choose from. What only reading can tell (is the address one, do the blocks agree) is left to ``hakeep check``. Where
versions of YAML differ (is ``off`` a word or a truth value?) it takes both. Blocks given as a list, which only names
that come twice need, are not looked into.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from hakeep.config.forms.shaping import NAME
from hakeep.config.forms.yaml import scalar
from hakeep.config.keywords.static import ROOT
from hakeep.config.schema import Block, Entries, Keyword, Repeat, Support
from hakeep.config.values import addresses, numbers, scripts, words
from hakeep.config.values.numbers import FALSE_WORDS, TRUE_WORDS
from hakeep.config.values.value import Invalid, Value

Schema = dict[str, Any]

_TEXT: Schema = {"type": ["string", "number"]}
_IP = r"[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*"


def render() -> str:
    """The schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The schema of a whole configuration."""
    blocks = _Blocks()
    top = blocks.content(ROOT, "")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:hakeep:configuration",
        "title": "hakeep configuration",
        "description": "The YAML form of hakeep.conf. hakeepd reads it wherever it reads the form with braces.",
        **top,
        "$defs": dict(sorted(blocks.definitions.items())),
    }


class _Blocks:
    """Every kind of block once, under a name made of its keyword."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[int, str] = {}

    def content(self, block: Block, path: str) -> Schema:
        properties = {}
        for keyword in block.keywords.values():
            properties[keyword.name] = {**self._described(keyword, path), **self._keyword(keyword, path)}
        made: Schema = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
        return made | _required(block)

    def _keyword(self, keyword: Keyword, path: str) -> Schema:
        value = keyword.value
        if isinstance(value, Block):
            return self._block(keyword, value, path)
        if isinstance(value, Entries):
            entry = value_schema(value.entry)
            return {"anyOf": [{"type": "array", "items": entry}, entry, {"type": "null"}]}
        one = value_schema(value)
        if keyword.repeat is Repeat.ADD:
            return {"anyOf": [one, {"type": "array", "items": one}]}
        return one

    def _block(self, keyword: Keyword, block: Block, path: str) -> Schema:
        if block.entries:
            entry = value_schema(block.entries)
            body: Schema = {"anyOf": [{"type": "array", "items": entry}, entry]}
        else:
            body = {"$ref": f"#/$defs/{self._defined(keyword, block, path)}"}
        if not block.name:
            return {"anyOf": [body, {"type": "array", "items": body}]} if keyword.repeat is Repeat.ADD else body
        listed = {"type": "array", "items": {"type": "object", "required": [NAME]}}
        return {"anyOf": [{"type": ["object", "null"], "additionalProperties": body}, listed]}

    def _defined(self, keyword: Keyword, block: Block, path: str) -> str:
        name = self._names.get(id(block))
        if name is None:
            name = keyword.name if keyword.name not in self.definitions else f"{path}.{keyword.name}"
            self._names[id(block)] = name
            self.definitions[name] = {}  # its place, while what is in it is made
            self.definitions[name] = self.content(block, keyword.name)
        return name

    def _described(self, keyword: Keyword, path: str) -> Schema:
        parts = [f"{keyword.doc[0].upper()}{keyword.doc[1:]}."]
        if keyword.notes:
            parts.append(f"{keyword.notes[0].upper()}{keyword.notes[1:]}.")
        if isinstance(keyword.value, Value) and keyword.value.synopsis:
            parts.append(f"Value: {keyword.value.synopsis}.")
        elif isinstance(keyword.value, Entries):
            parts.append(f"Each entry: {keyword.value.entry.synopsis}.")
        if keyword.default:
            parts.append(f"Default: {keyword.default}.")
        if keyword.support is not Support.FULL:
            parts.append(f"hakeep does not act on it: {keyword.instead}.")
        if keyword.preferred or keyword.obsolete:
            parts.append(keyword.obsolete or f"Old spelling of {keyword.preferred}.")
        described: Schema = {"description": " ".join(parts)}
        if keyword.preferred or keyword.obsolete:
            described["deprecated"] = True
        return described | _samples(keyword)


def _samples(keyword: Keyword) -> Schema:
    """The default, where it is a value of the keyword, and the example."""
    found: Schema = {}
    value = keyword.value
    if isinstance(value, Block):
        return found
    kind = value.entry if isinstance(value, Entries) else value
    default = _plain(kind, keyword.default) if isinstance(value, Value) and keyword.default else None
    if default is not None and not isinstance(value, words.Word):  # a word could be a description
        found["default"] = default
    example = _plain(kind, keyword.sample.partition("\n")[0] or kind.example)
    if example is not None:
        found["examples"] = [[example] if isinstance(value, Entries) else example]
    return found


def _plain(value: Value[Any], text: str) -> Any:
    """The data that YAML gives for a value, None if the text is none."""
    try:
        return yaml.safe_load(scalar(value, value.read(text)))
    except Invalid:
        return None


def _required(block: Block) -> Schema:
    """The keywords that must be there; of several that set one field, any."""
    spellings: dict[str, list[str]] = {}
    for keyword in block.keywords.values():
        spellings.setdefault(keyword.field, []).append(keyword.name)
    needed = [spellings[keyword.field] for keyword in block.children if keyword.required]
    found: Schema = {}
    if single := [names[0] for names in needed if len(names) == 1]:
        found["required"] = single
    if several := [{"anyOf": [{"required": [name]} for name in names]} for names in needed if len(names) > 1]:
        found["allOf"] = several
    return found


# ---------------------------------------------------------------------------------------------------------- values


def value_schema(value: Value[Any]) -> Schema:
    """What a value looks like in YAML."""
    made = _value(value)
    if value.needs or isinstance(value, numbers.Flag | numbers.OptBool):
        return made
    return {"anyOf": [made, {"const": True}]}  # the keyword alone


def _value(value: Value[Any]) -> Schema:
    match value:
        case numbers.Flag():
            return {"const": True}
        case numbers.OptBool():
            return {"enum": [True, False, "on", "off", "yes", "no"]}
        case numbers.Whole():
            return {"type": "integer", "minimum": value.low, "maximum": value.high}
        case numbers.Seconds():
            return {"type": "number", "minimum": value.low, "maximum": value.high}
        case numbers.AutoSeconds():
            return {"anyOf": [{"enum": _choices(value.complete())}, _value(value.seconds)]}
        case numbers.Weight():
            whole = {"type": "integer", "minimum": value.low, "maximum": value.high}
            return {"anyOf": [whole, {"type": "string", "pattern": r"^[+-]?[0-9]+( (no)?reverse)?$"}]}
        case words.Choice():
            return {"enum": _choices(value.choices)}
        case words.Familiar():
            return {"anyOf": [{"enum": _choices(value.known)}, _TEXT]}
        case words.Word():
            return {**_TEXT, "maxLength": value.longest} if value.longest else _TEXT
        case words.Words():
            return {"type": "array", "items": _TEXT, "minItems": value.needs, "maxItems": value.most}
        case words.Cpus():
            return {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": value.needs}
        case scripts.Command():
            return _command()
        case addresses.Ip():
            return {"type": "string", "pattern": f"^{_IP}(/[0-9]+)?$"}
        case addresses.Addresses() | addresses.Peers():
            return {"type": "string", "pattern": f"^{_IP}(/[0-9]+)?( .*)?$"}
    return _TEXT


def _choices(choices: tuple[str, ...]) -> list[Any]:
    """Words to choose from, and what older YAML takes them for."""
    found: list[Any] = list(choices)
    found += [True] if set(choices) & set(TRUE_WORDS) else []
    found += [False] if set(choices) & set(FALSE_WORDS) else []
    return found


def _command() -> Schema:
    argv: Schema = {"type": "array", "items": _TEXT, "minItems": 1}
    parts = {"command": {"anyOf": [argv, {"type": "string"}]}, "user": _TEXT, "group": _TEXT}
    mapping = {"type": "object", "properties": parts, "required": ["command"], "additionalProperties": False}
    return {"anyOf": [{"type": "string"}, argv, mapping]}
